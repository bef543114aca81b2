// Text as JSON has it (RFC 8259 section 7).
//
// Thread: any. Failure: none; what is no UTF-8 is replaced.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace tlsbridge {

// With its quotes, in ASCII.
std::string JsonString(absl::string_view value);

}  // namespace tlsbridge
