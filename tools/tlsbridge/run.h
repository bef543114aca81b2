// "tlsbridge run": serves what a configuration file says, and reads it again when told.
//
// Thread: main's. Failure: the exit code; the reason is on standard error.
#pragma once

#include "tools/tlsbridge/command.h"

namespace tlsbridge {

Command ConfigFileCommand();

}  // namespace tlsbridge
