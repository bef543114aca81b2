// The certificates that a peer has shown, parsed to be judged.
//
// A session keeps them as they came: parsed, they are several times as long, and one with many
// names many times.
//
// Thread: the session's. Owner: the caller. Failure: null, where one of them is no certificate.
#pragma once

#include <openssl/base.h>
#include <openssl/x509.h>

namespace tlsbridge::tls {

// The peer's own is the first. REQUIRES: it has shown some.
bssl::UniquePtr<STACK_OF(X509)> ParsePeerChain(const SSL* ssl);

}  // namespace tlsbridge::tls
