// "tlsbridge ready" and "tlsbridge live": probes for orchestrators that run a command.

#include <stdio.h>

#include <string>

#include "absl/strings/ascii.h"
#include "tools/tlsbridge/admin_command.h"
#include "tools/tlsbridge/exit_codes.h"

namespace tlsbridge {
namespace {

constexpr char kReadyUsage[] =
    "Reports whether a running process serves every route, or why not.\n"
    "Exits with 0 if it does, with 1 if not, with 2 if it cannot be reached.\n"
    "\n"
    "  tlsbridge ready\n";
constexpr char kLiveUsage[] =
    "Reports whether a process runs and answers.\n"
    "Exits with 0 if it does, with 2 if not.\n"
    "\n"
    "  tlsbridge live\n";

int Probe(const AdminRequest& request, const char* target, const char* name) {
  const auto answer = request.client.Get(target);
  if (!answer.ok()) return CannotAsk(answer.status());
  const bool good = answer->code == 200;
  if (!good && answer->code != 503) {
    return CannotAsk(absl::FailedPreconditionError(
        request.client.address() +
        ": not the admin interface of a tlsbridge; give the right address with --admin ADDRESS"));
  }
  if (request.json) {
    nlohmann::ordered_json json = {{name, good}};
    if (!good) json["why"] = std::string(absl::StripTrailingAsciiWhitespace(answer->body));
    PrintJson(json);
  } else {
    Print(answer->body);
  }
  return good ? kExitOk : kExitProblems;
}

int RunReady(const AdminRequest& request) { return Probe(request, "/ready", "ready"); }
int RunLive(const AdminRequest& request) { return Probe(request, "/live", "live"); }

}  // namespace

AdminCommand ReadyCommand() {
  return {"ready",  "readiness probe: whether it serves every route", nullptr, kReadyUsage, {},
          &RunReady};
}
AdminCommand LiveCommand() {
  return {"live", "liveness probe: whether it runs", nullptr, kLiveUsage, {}, &RunLive};
}

}  // namespace tlsbridge
