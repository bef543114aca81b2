// Who it is that begins with anything but a TLS handshake record: told by its first bytes.
//
// Thread: any. Failure: none.
#pragma once

#include <stdint.h>

#include <optional>

#include "absl/types/span.h"
#include "tls/failure.h"

namespace tlsbridge::tls {

// Nothing while `bytes` may still become something that is known by more of them; a dozen decide.
// REQUIRES: `bytes` do not begin with a handshake record's type.
std::optional<Refusal> RecogniseStranger(absl::Span<const uint8_t> bytes);

}  // namespace tlsbridge::tls
