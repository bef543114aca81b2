// "tlsbridge explain": what a route would make of a client's certificate, and why.
//
// Thread: main's. Failure: the exit code; the reason is on standard error.
#pragma once

#include "tools/tlsbridge/command.h"

namespace tlsbridge {

Command ExplainCommand();

}  // namespace tlsbridge
