// A fatal alert as bytes, for a refusal before there is a Session to write it.
//
// Thread: any. Failure: none.
#pragma once

#include <stdint.h>

#include <array>

namespace tlsbridge::tls {

// One plaintext record: type alert, TLS 1.2 as RFC 8446 section 5.1 has it for every version,
// length 2, level fatal (section 6). Understood only before the handshake has made keys.
constexpr std::array<uint8_t, 7> AlertRecord(uint8_t alert) { return {21, 3, 3, 0, 2, 2, alert}; }

}  // namespace tlsbridge::tls
