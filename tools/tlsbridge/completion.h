// "tlsbridge completion": scripts that complete commands, flags and values for bash, zsh and fish,
// made from the tables of commands and flags.
//
// Thread: main's. Failure: the exit code; the reason is on standard error.
#pragma once

#include <string>
#include <vector>

#include "absl/types/span.h"
#include "tools/tlsbridge/command.h"

namespace tlsbridge {

std::string BashCompletion(absl::Span<const Command> commands);
std::string ZshCompletion(absl::Span<const Command> commands);
std::string FishCompletion(absl::Span<const Command> commands);

// `commands` are all there are, this one among them.
Command CompletionCommand(std::vector<Command> (*commands)());

}  // namespace tlsbridge
