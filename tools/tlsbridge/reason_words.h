// Why connections end, each reason of the closed list in words, and what to look at.
//
// Thread: any. Failure: for what is no reason, "not a reason that this version knows".
#pragma once

#include "absl/strings/string_view.h"

namespace tlsbridge {

absl::string_view ReasonInWords(absl::string_view reason);

}  // namespace tlsbridge
