// What BoringSSL asks in the middle of a call on a session, of the session that is called.
//
// Contexts install the questions, sessions answer them, and neither includes the other: what joins
// them is Staging::CallerOf().
//
// Thread: the session's. Failure: the answer.
#pragma once

#include <openssl/base.h>
#include <openssl/ssl.h>
#include <stdint.h>

namespace tlsbridge::tls {

class Callbacks {
 public:
  // Whether the peer's certificates are believed; if not, `alert` tells it why.
  virtual ssl_verify_result_t VerifyPeer(uint8_t* alert) = 0;
  // The peer, a backend, gives us a session to resume.
  virtual void KeepSession(bssl::UniquePtr<SSL_SESSION> session) = 0;

 protected:
  ~Callbacks() = default;
};

}  // namespace tlsbridge::tls
