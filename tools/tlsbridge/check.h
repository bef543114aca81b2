// "tlsbridge check": tells every mistake in a configuration file, and what the file may hold.
//
// Thread: main's. Failure: the exit code; the mistakes are on standard error.
#pragma once

#include "absl/types/span.h"

namespace tlsbridge {

// `arguments` are those behind the command.
int RunCheck(absl::Span<char* const> arguments);

}  // namespace tlsbridge
