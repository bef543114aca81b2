// Names as DNS and SNI have them.
//
// Thread: any; pure. Failure: a Status that says why, without the name.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tlsbridge {

// Labels of letters, digits, "-" and "_" (which SRV records and Docker's service names have), made
// lower case. No IP address, no dot at the end.
absl::StatusOr<std::string> ParseDomainName(absl::string_view text);

// Also "*" and "*.NAME".
absl::StatusOr<std::string> ParseDomainPattern(absl::string_view text);

}  // namespace tlsbridge
