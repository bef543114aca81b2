// The commands that ask a running process, and what they have in common: where it is, text or JSON,
// errors and exit codes.
//
// Each has a file of its own, which makes a row of the table in admin_command.cc.
//
// Thread: main's. Failure: the exit code; the reason is on standard error.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "tools/tlsbridge/admin_client.h"
#include "tools/tlsbridge/command.h"

namespace tlsbridge {

// What was typed.
struct AdminRequest {
  AdminClient client;
  GivenFlags flags;
  std::string argument;  // empty if the command takes none
  bool json = false;
};

struct AdminCommand {
  const char* name;
  const char* summary;   // in the program's --help
  const char* argument;  // what must be given, such as "ID|PEER"; null for nothing
  const char* usage;     // in the command's own, with its exit codes
  std::vector<Flag> flags;
  int (*run)(const AdminRequest& request);
  std::vector<std::string> words = {};  // what the argument may be, for completion
};

// In the order of --help.
std::vector<Command> AdminCommands();

// ---- For the commands.

// Prints "tlsbridge: <message>"; returns kExitUsage.
int CannotAsk(const absl::Status& status);
void Print(absl::string_view text);
void PrintJson(const nlohmann::ordered_json& json);

// The rows; each in the file of its name.
AdminCommand StatusCommand();
AdminCommand TopCommand();
AdminCommand ConnectionsCommand();
AdminCommand FailuresCommand();
AdminCommand WhyCommand();
AdminCommand ReadyCommand();
AdminCommand LiveCommand();
AdminCommand DrainCommand();
AdminCommand UpgradeCommand();
AdminCommand LogLevelCommand();

}  // namespace tlsbridge
