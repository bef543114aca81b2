// "tlsbridge explain": what a route would make of a client's certificate, and why.
//
// Thread: main's. Failure: the exit code; the reason is on standard error.
#pragma once

#include "absl/types/span.h"

namespace tlsbridge {

// `arguments` are those behind the command.
int RunExplain(absl::Span<char* const> arguments);

}  // namespace tlsbridge
