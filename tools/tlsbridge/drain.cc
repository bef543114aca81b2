// "tlsbridge drain", "tlsbridge upgrade" and "tlsbridge log-level": what changes a running process.

#include <string>

#include "absl/strings/ascii.h"
#include "tools/tlsbridge/admin_command.h"
#include "tools/tlsbridge/exit_codes.h"

namespace tlsbridge {
namespace {

constexpr char kDrainUsage[] =
    "Stops a running process gracefully, like SIGTERM: it accepts for --drain-delay, closes "
    "connections\n"
    "as they become idle, and the remaining ones after --drain-timeout. A second drain does not "
    "hurry it.\n"
    "Exits with 0 if it drains, with 2 if it cannot be reached.\n"
    "\n"
    "  tlsbridge drain\n";
constexpr char kUpgradeUsage[] =
    "Hot restart: starts the program file as it is now, with the same arguments. Once the new "
    "process is\n"
    "ready it takes over listeners and session ticket keys, and no connection is lost. If it does "
    "not\n"
    "become ready it is ended, and the running process continues to serve.\n"
    "Exits with 0 if the new process serves, with 2 if not.\n"
    "\n"
    "  tlsbridge upgrade\n";
// Whoever is asked has an outcome by --upgrade-timeout and a few seconds, and knows it better.
constexpr absl::Duration kUpgradePatience = absl::Hours(1);
constexpr char kLevelUsage[] =
    "Sets the log level of a running process until it restarts: debug, info, warning, error or "
    "off.\n"
    "Exits with 0 if it is set, with 2 if not.\n"
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
  return {"drain", "stops it gracefully, like SIGTERM", nullptr, kDrainUsage, {}, &RunDrain};
}
AdminCommand UpgradeCommand() {
  return {"upgrade", "replaces it by the program file as it is now (hot restart)",
          nullptr,   kUpgradeUsage,
          {},        &RunUpgrade};
}
AdminCommand LogLevelCommand() {
  return {"log-level", "sets its log level until it restarts",      "LEVEL", kLevelUsage, {},
          &RunLevel,   {"debug", "info", "warning", "error", "off"}};
}

}  // namespace tlsbridge
