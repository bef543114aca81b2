// libevent's warnings as lines of the log.
//
// Thread: main's, before any other use of libevent. Failure: none.
#pragma once

namespace tlsbridge {

// Until LogLibevent() it warns of nothing: what fails at the start is told by the start's own
// error.
void SilenceLibevent();
// From now on; one line a second, with the number of those that were left out.
void LogLibevent();

}  // namespace tlsbridge
