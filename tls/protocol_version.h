// The versions of TLS that we speak, by their numbers on the wire (RFC 8446 section 4.1.2).
//
// Thread: any; a value. Failure: none.
#pragma once

#include <stdint.h>

namespace tlsbridge::tls {

enum class ProtocolVersion : uint16_t { kTls12 = 0x0303, kTls13 = 0x0304 };

}  // namespace tlsbridge::tls
