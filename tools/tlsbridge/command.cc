#include "tools/tlsbridge/command.h"

#include <stdio.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "router/handover/predecessor.h"
#include "tools/tlsbridge/exit_codes.h"

namespace tlsbridge {

int RunCommand(const Command& command, absl::Span<char* const> arguments) {
  if (AsksForHelp(arguments)) {
    printf("%s%s", command.usage.c_str(), DescribeFlags(command.groups).c_str());
    return kExitOk;
  }
  std::vector<std::string> others;
  auto flags = ParseFlags(arguments, command.groups, command.argument.empty() ? nullptr : &others);
  if (!flags.ok()) return RefuseToStart(flags.status());
  if (!command.argument.empty() && others.size() != 1) {
    return RefuseToStart(absl::InvalidArgumentError(
        absl::StrCat("usage: tlsbridge ", command.name, " ", command.argument)));
  }
  return command.run({*std::move(flags), others.empty() ? "" : others.front()});
}

int RefuseToStart(const absl::Status& status) {
  std::string message(status.message());
  std::replace_if(message.begin(), message.end(), absl::ascii_iscntrl, '?');
  Predecessor::RefuseFromEnvironment(message);
  fprintf(stderr, "tlsbridge: %s\n", message.c_str());
  return kExitUsage;
}

}  // namespace tlsbridge
