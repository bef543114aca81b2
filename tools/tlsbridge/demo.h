// "tlsbridge demo": everything needed to see it work, with nothing to prepare.
//
// Thread: main's. Failure: the exit code.
#pragma once

#include "absl/types/span.h"

namespace tlsbridge {

// `arguments` are those behind the command.
int RunDemo(absl::Span<char* const> arguments);

}  // namespace tlsbridge
