// "tlsbridge sidecar": one service behind TLS, told by flags alone.
//
// Thread: main's. Failure: the exit code.
#ifndef TLSBRIDGE_TOOLS_TLSBRIDGE_SIDECAR_H_
#define TLSBRIDGE_TOOLS_TLSBRIDGE_SIDECAR_H_

#include "absl/types/span.h"

namespace tlsbridge {

// `arguments` are those behind the command.
int RunSidecar(absl::Span<char* const> arguments);

}  // namespace tlsbridge

#endif  // TLSBRIDGE_TOOLS_TLSBRIDGE_SIDECAR_H_
