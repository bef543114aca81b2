// "tlsbridge status": how a running process is, for whoever is on call.

#include "absl/strings/match.h"
#include "tools/tlsbridge/admin_command.h"
#include "tools/tlsbridge/admin_text.h"
#include "tools/tlsbridge/exit_codes.h"

namespace tlsbridge {
namespace {

constexpr char kUsage[] =
    "Shows the state of a running process: a verdict, its problems with since when and what to "
    "do,\n"
    "routes, backends, certificates and limits.\n"
    "Exits with 0 if it is ready and has no problem, with 1 if it is ready and has some, with 3 if "
    "it\n"
    "is not ready, with 2 if it cannot be reached.\n"
    "\n"
    "  tlsbridge status\n";

int Run(const AdminRequest& request) {
  const auto status = request.client.GetJson("/status");
  if (!status.ok()) return CannotAsk(status.status());
  if (request.json) {
    PrintJson(*status);
  } else {
    Print(StatusText(*status));
  }
  if (TextOf(*status, "ready") != "true") return kExitNotReady;
  return MemberOf(*status, "problems").empty() ? kExitOk : kExitProblems;
}

}  // namespace

AdminCommand StatusCommand() {
  return {"status", "state of a running process, with its problems and what to do",
          nullptr,  kUsage,
          {},       &Run};
}

}  // namespace tlsbridge
