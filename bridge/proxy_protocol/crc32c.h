// The checksum of PROXY headers, and of iSCSI and SCTP: CRC-32C (RFC 3720 section 12.1, RFC 4960
// appendix B).
//
// Thread: any. Failure: none.
#pragma once

#include <stdint.h>

#include "absl/strings/string_view.h"

namespace tlsbridge::proxy_protocol {

uint32_t Crc32c(absl::string_view bytes);

}  // namespace tlsbridge::proxy_protocol
