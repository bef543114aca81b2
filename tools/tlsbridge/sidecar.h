// "tlsbridge sidecar": one service behind TLS, told by flags alone.
//
// Thread: main's. Failure: the exit code.
#pragma once

#include "absl/types/span.h"

namespace tlsbridge {

// `arguments` are those behind the command.
int RunSidecar(absl::Span<char* const> arguments);

}  // namespace tlsbridge
