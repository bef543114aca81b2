// No core dump of this process: private keys are in its memory.
//
// Thread: main's. Failure: none; what the system does not let us limit stays.
#pragma once

namespace tlsbridge {

// REQUIRES: no key has been read.
void ForbidCoreDumps();

}  // namespace tlsbridge
