// "tlsbridge check": tells every mistake in a configuration file, and what the file may hold.
//
// Thread: main's. Failure: the exit code; the mistakes are on standard error.
#pragma once

#include "tools/tlsbridge/command.h"

namespace tlsbridge {

Command CheckCommand();

}  // namespace tlsbridge
