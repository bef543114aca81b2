#include "tools/tlsbridge/admin_command.h"

#include <stdio.h>
#include <stdlib.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/tlsbridge/exit_codes.h"

namespace tlsbridge {
namespace {

constexpr char kDefaultAddress[] = "unix:/run/tlsbridge/admin";
constexpr char kVariable[] = "TLSBRIDGE_ADMIN";

std::vector<FlagGroup> FlagsOf(const AdminCommand& command) {
  std::vector<FlagGroup> groups;
  if (!command.flags.empty()) {
    groups.push_back({absl::StrCat("Of ", command.name), command.flags});
  }
  groups.push_back({"Of every command that asks a running process",
                    {{"admin",
                      absl::StrCat("Where it answers: what it was given as --admin-listen or "
                                   "admin.address. The variable ",
                                   kVariable, " says so for all commands."),
                      kDefaultAddress},
                     {"json", "Print JSON.", "", Flag::Kind::kSwitch}}});
  return groups;
}

int Run(const AdminCommand& command, absl::Span<char* const> arguments) {
  const std::vector<FlagGroup> groups = FlagsOf(command);
  if (AsksForHelp(arguments)) {
    Print(absl::StrCat(command.usage, DescribeFlags(groups)));
    return kExitOk;
  }
  std::vector<std::string> others;
  auto given = ParseFlags(arguments, groups, command.argument == nullptr ? nullptr : &others);
  if (!given.ok()) return CannotAsk(given.status());
  if (command.argument != nullptr && others.size() != 1) {
    return CannotAsk(absl::InvalidArgumentError(
        absl::StrCat("use tlsbridge ", command.name, " ", command.argument)));
  }
  std::string address = given->Value("admin");
  const char* const variable = getenv(kVariable);
  if (address.empty() && variable != nullptr) address = variable;
  if (address.empty()) address = kDefaultAddress;
  const bool json = given->IsOn("json", false);
  return command.run({AdminClient(std::move(address)), *std::move(given),
                      others.empty() ? "" : others.front(), json});
}

}  // namespace

const std::vector<AdminCommand>& AdminCommands() {
  static const auto* const commands = new std::vector<AdminCommand>{
      StatusCommand(), TopCommand(),  ConnectionsCommand(), FailuresCommand(), WhyCommand(),
      ReadyCommand(),  LiveCommand(), DrainCommand(),       LogLevelCommand()};
  return *commands;
}

std::string DescribeAdminCommands() {
  std::string text;
  for (const AdminCommand& command : AdminCommands()) {
    absl::StrAppendFormat(&text, "  tlsbridge %-12s %s\n", command.name, command.summary);
  }
  return text;
}

std::optional<int> RunAdminCommand(absl::string_view command, absl::Span<char* const> arguments) {
  for (const AdminCommand& known : AdminCommands()) {
    if (command == known.name) return Run(known, arguments);
  }
  return std::nullopt;
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
