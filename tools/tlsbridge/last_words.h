// How the process ends when it cannot go on: on purpose, with one line that says why and exit code
// kExitCannotGoOn, never by undefined behaviour.
//
// Memory for our own objects and for libevent's is too small and too widespread to do without:
// nothing could be cleaned up, or logged. So where there is none, the process ends, and whoever
// supervises it starts another. BoringSSL's buffers are the large ones; each of its calls tells
// when it has none, and that connection ends.
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
