// What BoringSSL's answer to one call means. The one place that interprets SSL_get_error.
//
// Thread: any. Failure: none.
#pragma once

#include <openssl/base.h>

namespace tlsbridge::tls {

enum class Verdict {
  kOk,         // the call did what it was asked
  kWantRead,   // more ciphertext is needed, or a signature
  kCleanEof,   // the peer sent close_notify: its stream is complete (RFC 8446 section 6.1)
  kTruncated,  // the peer's bytes ended without close_notify: its stream may be cut short
  kFailed,     // the session is over; Session::failure() says why
};

// REQUIRES: the error queue was empty before the call that returned `rc`.
Verdict Interpret(const SSL* ssl, int rc);

}  // namespace tlsbridge::tls
