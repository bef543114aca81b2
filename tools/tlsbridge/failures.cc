// "tlsbridge failures": the last connections that failed in a running process.

#include <poll.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "tools/tlsbridge/admin_command.h"
#include "tools/tlsbridge/admin_text.h"
#include "tools/tlsbridge/exit_codes.h"

namespace tlsbridge {
namespace {

constexpr char kUsage[] =
    "Prints the last failed connections (200 are kept) as the log does, including those that it "
    "only\n"
    "counted. With --follow it continues with new ones.\n"
    "Exits with 0, or with 2 if the process cannot be reached.\n"
    "\n"
    "  tlsbridge failures --route orders --follow\n";

int Run(const AdminRequest& request) {
  constexpr int kPauseMilliseconds = 1000;
  const bool follow = request.flags.IsOn("follow", false);
  std::string after;
  while (true) {
    std::string target = "/failures";
    for (const char* const name : {"route", "reason", "limit"}) {
      if (request.flags.Has(name)) AppendParameter(name, request.flags.Value(name), &target);
    }
    if (!after.empty()) AppendParameter("after", after, &target);
    const auto answer = request.client.GetJson(target);
    if (!answer.ok()) return CannotAsk(answer.status());
    if (request.json && !follow) {
      PrintJson(*answer);
      return kExitOk;
    }
    for (const AdminJson& failure : MemberOf(*answer, "failures")) {
      // Followed as JSON: an object a line.
      Print(request.json ? failure.dump(-1, ' ', false, AdminJson::error_handler_t::replace) + "\n"
                         : FailureText(failure));
    }
    if (!follow) return kExitOk;
    after = TextOf(*answer, "last");
    poll(nullptr, 0, kPauseMilliseconds);
  }
}

}  // namespace

AdminCommand FailuresCommand() {
  return {
      "failures",
      "the last failed connections, as in the log; --follow",
      nullptr,
      kUsage,
      {{"route", "Only failures of this route."},
       {"reason", "Only failures for this reason."},
       {"limit", "Maximum number of past failures to print.", "200"},
       {"follow", "Continue with new failures, until the process ends.", "", Flag::Kind::kSwitch}},
      &Run};
}

}  // namespace tlsbridge
