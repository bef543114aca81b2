// How the process ends when it cannot go on: on purpose, with one line that says why and exit code
// kExitCannotGoOn, never by undefined behaviour.
//
// Objects, our own, libevent's and BoringSSL's (tls/out_of_memory.h), are too small and too
// widespread to do without: nothing could be cleaned up, or logged. So where there is no memory for
// one, the process ends, and whoever supervises it starts another. What a session allots while it
// works is most of the memory; each of BoringSSL's calls tells when it has none, and that
// connection ends.
//
// Thread: main's, before any other. Failure: none.
#pragma once

#include "absl/strings/string_view.h"

namespace tlsbridge {

// From now on.
void PrepareLastWords();

// "tlsbridge: WHY", whatever else is being written there, and the end.
[[noreturn]] void CannotGoOn(absl::string_view why);

}  // namespace tlsbridge
