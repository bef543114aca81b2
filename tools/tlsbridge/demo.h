// "tlsbridge demo": everything needed to see it work, with nothing to prepare.
//
// Thread: main's. Failure: the exit code.
#ifndef TLSBRIDGE_TOOLS_TLSBRIDGE_DEMO_H_
#define TLSBRIDGE_TOOLS_TLSBRIDGE_DEMO_H_

#include "absl/types/span.h"

namespace tlsbridge {

// `arguments` are those behind the command.
int RunDemo(absl::Span<char* const> arguments);

}  // namespace tlsbridge

#endif  // TLSBRIDGE_TOOLS_TLSBRIDGE_DEMO_H_
