#include "tools/tlsbridge/last_words.h"

#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <new>

#include "bridge/event/libevent_hooks.h"
#include "tools/tlsbridge/exit_codes.h"

namespace tlsbridge {
namespace {

void OutOfMemory() { CannotGoOn("out of memory"); }

void Uncaught() {
  const std::exception_ptr thrown = std::current_exception();
  if (thrown == nullptr) CannotGoOn("terminated");
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& e) {
    CannotGoOn(e.what());
  } catch (...) {
    CannotGoOn("an exception of an unknown type");
  }
}

}  // namespace

void PrepareLastWords() {
  std::set_new_handler(&OutOfMemory);
  std::set_terminate(&Uncaught);
  SetLibeventFailure([](absl::string_view why) { CannotGoOn(why); });
}

void CannotGoOn(absl::string_view why) {
  // Threads run out of memory together: the first one speaks, and ends the others.
  static std::atomic<bool> spoken = false;
  while (spoken.exchange(true)) pause();
  // Without memory, in one call, so that no other line comes in between.
  char line[256];
  const int length = snprintf(line, sizeof(line), "tlsbridge: fatal: %.*s\n",
                              static_cast<int>(std::min<size_t>(why.size(), 200)), why.data());
  [[maybe_unused]] const ssize_t n = write(STDERR_FILENO, line, static_cast<size_t>(length));
  _exit(kExitCannotGoOn);
}

}  // namespace tlsbridge
