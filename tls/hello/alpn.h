// The application protocols that a server speaks (RFC 7301).
//
// Thread: any. Owner: the SSL_CTX keeps a copy of its own. Failure: a Status that names the option.
#pragma once

#include <openssl/base.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace tlsbridge::tls {

// Sessions of `ctx` choose the first of `protocols` that their client offers, and refuse one that
// offers only others. Nothing is negotiated if there are none. REQUIRES: once a context.
absl::Status InstallAlpn(absl::Span<const std::string> protocols, SSL_CTX* ctx);

// Whether a client that offers `offered` is refused by a server with `protocols`.
bool AlpnRefuses(absl::Span<const std::string> protocols, absl::Span<const std::string> offered);

}  // namespace tlsbridge::tls
