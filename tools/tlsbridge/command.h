// What a command is: a row of the table that dispatch, --help, completion and the man page are made
// from.
//
// Thread: main's. Failure: the exit code; the reason is on standard error.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "tools/tlsbridge/command_line.h"

namespace tlsbridge {

struct Command {
  enum class Kind : uint8_t {
    kOwn,   // works by itself
    kAsks,  // asks a running process
  };
  // What was typed.
  struct Given {
    GivenFlags flags;
    std::string argument;  // empty if the command takes none
  };

  std::string name;
  std::string summary;   // in the program's --help
  std::string argument;  // what must be given, such as "ID|PEER"; empty for nothing
  std::string usage;     // in the command's own --help: sentences, exit codes, an example
  std::vector<FlagGroup> groups;
  std::function<int(const Given& given)> run;
  Kind kind = Kind::kOwn;
  std::vector<std::string> words = {};  // what `argument` may be, for completion
};

// Help, if the arguments ask for it; else reads them and runs the command.
int RunCommand(const Command& command, absl::Span<char* const> arguments);

// Prints "tlsbridge: <message>", one line whatever a value holds; returns kExitUsage.
int RefuseToStart(const absl::Status& status);

}  // namespace tlsbridge
