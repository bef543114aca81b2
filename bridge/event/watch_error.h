// What to say when the system does not let a loop watch a descriptor.
//
// Thread: any. Failure: none.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace tlsbridge {

// "cannot watch WHAT: No space left on device; ...", and what to do about it.
absl::Status WatchError(absl::string_view what, int error);

}  // namespace tlsbridge
