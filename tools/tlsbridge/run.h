// "tlsbridge run": serves what a configuration file says, and reads it again when told.
//
// Thread: main's. Failure: the exit code; the reason is on standard error.
#pragma once

#include "absl/types/span.h"

namespace tlsbridge {

// `arguments` are those behind the command.
int RunConfigFile(absl::Span<char* const> arguments);

}  // namespace tlsbridge
