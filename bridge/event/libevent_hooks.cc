#include "bridge/event/libevent_hooks.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

namespace tlsbridge {
namespace {

void (*g_warn)(absl::string_view message) = nullptr;
void (*g_fail)(absl::string_view why) = nullptr;

// Of the error that is fatal: libevent tells first, and ends then.
thread_local char t_last_error[200] = "fatal error in libevent";

void OnMessage(int severity, const char* message) {
  const int error = errno;  // for whoever asks why the call failed
  if (severity == EVENT_LOG_ERR) snprintf(t_last_error, sizeof(t_last_error), "%s", message);
  if (severity >= EVENT_LOG_WARN && g_warn != nullptr) g_warn(message);
  errno = error;
}

void OnFatal(int) { g_fail(t_last_error); }

void* OrFail(void* memory, size_t bytes) {
  if (memory == nullptr && bytes > 0) g_fail("out of memory");
  return memory;
}

void* Allocate(size_t bytes) { return OrFail(malloc(bytes), bytes); }

void* Reallocate(void* memory, size_t bytes) { return OrFail(realloc(memory, bytes), bytes); }

}  // namespace

void SetLibeventWarning(void (*warn)(absl::string_view message)) {
  g_warn = warn;
  event_set_log_callback(&OnMessage);
}

void SetLibeventFailure(void (*fail)(absl::string_view why)) {
  g_fail = fail;
  event_set_log_callback(&OnMessage);
  event_set_fatal_callback(&OnFatal);
  event_set_mem_functions(&Allocate, &Reallocate, &free);
}

}  // namespace tlsbridge
