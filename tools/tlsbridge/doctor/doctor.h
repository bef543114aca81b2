// "tlsbridge doctor": why the program would not start, or would not serve: files, certificates,
// backends, and the machine.
//
// Thread: main's. Failure: the exit code.
#pragma once

#include "tools/tlsbridge/command.h"

namespace tlsbridge {

Command DoctorCommand();

}  // namespace tlsbridge
