// "tlsbridge top": routes with what they do now, on a terminal, until it is interrupted.

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tools/tlsbridge/admin_command.h"
#include "tools/tlsbridge/admin_text.h"
#include "tools/tlsbridge/exit_codes.h"

namespace tlsbridge {
namespace {

constexpr char kUsage[] =
    "Shows the activity of a running process by route, the busiest first, every two seconds until\n"
    "interrupted. Rates are since the previous update.\n"
    "Exits with 0 after --count updates, with 2 if the process cannot be reached.\n"
    "\n"
    "  tlsbridge top\n";

constexpr char kHome[] = "\x1b[H";
constexpr char kToEndOfLine[] = "\x1b[K\n";
constexpr char kToEndOfScreen[] = "\x1b[J";

// On a terminal the picture before is written over, without a flicker.
std::string OnScreen(const std::string& text) {
  std::string screen = kHome;
  for (const char c : text) {
    if (c == '\n') {
      screen += kToEndOfLine;
    } else {
      screen.push_back(c);
    }
  }
  return screen + kToEndOfScreen;
}

int Run(const AdminRequest& request) {
  constexpr int kPauseMilliseconds = 2000;
  int count = 0;  // zero: without an end
  if (request.flags.Has("count") &&
      (!absl::SimpleAtoi(request.flags.Value("count"), &count) || count < 1)) {
    return CannotAsk(absl::InvalidArgumentError(absl::StrCat(
        "--count: '", request.flags.Value("count"), "' is not allowed; use a number")));
  }
  const bool terminal = isatty(STDOUT_FILENO) == 1;
  AdminJson before;
  for (int shown = 0; count == 0 || shown < count; ++shown) {
    if (shown > 0) poll(nullptr, 0, kPauseMilliseconds);
    const auto status = request.client.GetJson("/status");
    if (!status.ok()) return CannotAsk(status.status());
    if (request.json) {
      Print(status->dump(-1, ' ', false, AdminJson::error_handler_t::replace) + "\n");
      continue;
    }
    winsize size = {.ws_row = 24, .ws_col = 80};
    if (terminal) ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    const std::string text =
        TopText(*status, before, terminal ? size.ws_row : 1000, terminal ? size.ws_col : 1000);
    Print(terminal ? OnScreen(text) : text);
    before = *status;
  }
  return kExitOk;
}

}  // namespace

AdminCommand TopCommand() {
  return {"top",
          "live activity by route, on a terminal",
          nullptr,
          kUsage,
          {{"count", "Number of updates, then it exits; by default it runs until interrupted."}},
          &Run};
}

}  // namespace tlsbridge
