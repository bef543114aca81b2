// "tlsbridge demo": everything needed to see it work, with nothing to prepare.
//
// Thread: main's. Failure: the exit code.
#pragma once

#include "tools/tlsbridge/command.h"

namespace tlsbridge {

Command DemoCommand();

}  // namespace tlsbridge
