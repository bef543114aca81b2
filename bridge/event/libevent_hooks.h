// What libevent has to say, and what happens when it cannot go on. Of the whole process.
//
// Thread: main's, before any other use of libevent; the functions are called on any thread.
// Failure: none.
#pragma once

#include "absl/strings/string_view.h"

namespace tlsbridge {

// `warn` gets libevent's warnings, which else go to standard error. It may change errno.
void SetLibeventWarning(void (*warn)(absl::string_view message));

// `fail` ends the process, where libevent would: it is out of memory, or finds itself broken. So
// nothing of libevent's is ever null for want of memory, or registered by half.
void SetLibeventFailure(void (*fail)(absl::string_view why));

}  // namespace tlsbridge
