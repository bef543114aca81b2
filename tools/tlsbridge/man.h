// "tlsbridge man": the pages tlsbridge(1) and tlsbridge.yaml(5), made from the tables of commands,
// flags, keys and conventions, in the language of man(7).
//
// Thread: main's. Failure: the exit code; the reason is on standard error.
#pragma once

#include <string>
#include <vector>

#include "absl/types/span.h"
#include "tools/tlsbridge/command.h"

namespace tlsbridge {

std::string ProgramPage(absl::Span<const Command> commands);
std::string ConfigurationPage();

// `commands` are all there are, this one among them.
Command ManCommand(std::vector<Command> (*commands)());

}  // namespace tlsbridge
