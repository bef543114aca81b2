// libevent's warnings as lines of the log.
//
// Thread: main's, before any other use of libevent. Failure: none.
#pragma once

namespace tlsbridge {

// From now on; one line a second, with the number of those that were left out.
void LogLibevent();

}  // namespace tlsbridge
