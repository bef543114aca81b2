#include "tools/tlsbridge/admin_command.h"

#include <stdio.h>
#include <stdlib.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "tools/tlsbridge/exit_codes.h"

namespace tlsbridge {
namespace {

constexpr char kDefaultAddress[] = "unix:/run/tlsbridge/admin";
constexpr char kVariable[] = "TLSBRIDGE_ADMIN";

std::vector<FlagGroup> FlagsOf(const AdminCommand& command) {
  std::vector<FlagGroup> groups;
  if (!command.flags.empty()) {
    groups.push_back({absl::StrCat("Flags of ", command.name), command.flags});
  }
  groups.push_back({"Flags of every command that queries a running process",
                    {{"admin",
                      absl::StrCat("Its admin address, as set by --admin-listen or admin.address. "
                                   "The environment variable ",
                                   kVariable, " sets it for all commands."),
                      kDefaultAddress},
                     {"json", "Print JSON.", "", Flag::Kind::kSwitch}}});
  return groups;
}

int Run(const AdminCommand& command, const Command::Given& given) {
  std::string address = given.flags.Value("admin");
  const char* const variable = getenv(kVariable);
  if (address.empty() && variable != nullptr) address = variable;
  if (address.empty()) address = kDefaultAddress;
  const bool json = given.flags.IsOn("json", false);
  return command.run({AdminClient(std::move(address)), given.flags, given.argument, json});
}

}  // namespace

std::vector<Command> AdminCommands() {
  std::vector<Command> commands;
  for (const AdminCommand& row :
       {StatusCommand(), TopCommand(), ConnectionsCommand(), FailuresCommand(), WhyCommand(),
        ReadyCommand(), LiveCommand(), DrainCommand(), UpgradeCommand(), LogLevelCommand()}) {
    commands.push_back({row.name, row.summary, row.argument == nullptr ? "" : row.argument,
                        row.usage, FlagsOf(row),
                        [row](const Command::Given& given) { return Run(row, given); },
                        Command::Kind::kAsks, row.words});
  }
  return commands;
}

int CannotAsk(const absl::Status& status) {
  std::string message(status.message());
  // One line, whatever the other side has said.
  std::replace_if(
      message.begin(), message.end(), [](unsigned char c) { return absl::ascii_iscntrl(c); }, ' ');
  fprintf(stderr, "tlsbridge: %s\n", message.c_str());
  return kExitUsage;
}

void Print(absl::string_view text) {
  fwrite(text.data(), 1, text.size(), stdout);
  fflush(stdout);
}

void PrintJson(const nlohmann::ordered_json& json) {
  Print(json.dump(2, ' ', /*ensure_ascii=*/false, nlohmann::json::error_handler_t::replace) + "\n");
}

}  // namespace tlsbridge
