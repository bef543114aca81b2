// "tlsbridge sidecar": one service behind TLS, told by flags alone.
//
// Thread: main's. Failure: the exit code.
#pragma once

#include "tools/tlsbridge/command.h"

namespace tlsbridge {

Command SidecarCommand();

}  // namespace tlsbridge
