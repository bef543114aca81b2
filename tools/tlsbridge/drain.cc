// "tlsbridge drain", "tlsbridge upgrade" and "tlsbridge log-level": what changes a running process.

#include <string>

#include "absl/strings/ascii.h"
#include "tools/tlsbridge/admin_command.h"
#include "tools/tlsbridge/exit_codes.h"

namespace tlsbridge {
namespace {

constexpr char kDrainUsage[] =
    "Stops a running process as SIGTERM does: it goes on accepting for --drain-delay, ends "
    "connections\n"
    "as they fall idle, and what is left after --drain-timeout. Asked again, it does not hurry.\n"
    "Exits with 0 if it drains, with 2 if it could not be asked.\n"
    "\n"
    "  tlsbridge drain\n";
constexpr char kUpgradeUsage[] =
    "Starts the program again, as it lies there now, with the same arguments; once that process "
    "is\n"
    "ready it takes over listeners and session tickets, and no connection is lost. One that does "
    "not\n"
    "become ready is ended, and the running one goes on.\n"
    "Exits with 0 if another process serves now, with 2 if not.\n"
    "\n"
    "  tlsbridge upgrade\n";
// Whoever is asked has an outcome by --upgrade-timeout and a few seconds, and knows it better.
constexpr absl::Duration kUpgradePatience = absl::Hours(1);
constexpr char kLevelUsage[] =
    "Sets what a running process logs, until it restarts: debug, info, warning, error or off.\n"
    "Exits with 0 if that is so now, with 2 if not.\n"
    "\n"
    "  tlsbridge log-level debug\n";

int Change(const AdminRequest& request, const std::string& target,
           absl::Duration patience = AdminClient::kPatience) {
  const auto answer = request.client.Post(target, patience);
  if (!answer.ok()) return CannotAsk(answer.status());
  const std::string said(absl::StripTrailingAsciiWhitespace(answer->body));
  if (answer->code != 200) {
    return CannotAsk(absl::FailedPreconditionError(request.client.address() + ": " + said));
  }
  if (request.json) {
    PrintJson({{"done", true}, {"message", said}});
  } else {
    Print(said + "\n");
  }
  return kExitOk;
}

int RunDrain(const AdminRequest& request) { return Change(request, "/drain"); }

int RunUpgrade(const AdminRequest& request) {
  return Change(request, "/upgrade", kUpgradePatience);
}

int RunLevel(const AdminRequest& request) {
  std::string target = "/log-level";
  AppendParameter("level", request.argument, &target);
  return Change(request, target);
}

}  // namespace

AdminCommand DrainCommand() {
  return {"drain", "stops it as SIGTERM does", nullptr, kDrainUsage, {}, &RunDrain};
}
AdminCommand UpgradeCommand() {
  return {"upgrade", "puts the program as it lies there now in its place",
          nullptr,   kUpgradeUsage,
          {},        &RunUpgrade};
}
AdminCommand LogLevelCommand() {
  return {"log-level", "sets what it logs, until it restarts",      "LEVEL", kLevelUsage, {},
          &RunLevel,   {"debug", "info", "warning", "error", "off"}};
}

}  // namespace tlsbridge
