#include "tls/verdict.h"

#include <openssl/ssl.h>

namespace tlsbridge::tls {

Verdict Interpret(const SSL* ssl, int rc) {
  if (rc > 0) return Verdict::kOk;
  switch (SSL_get_error(ssl, rc)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_PRIVATE_KEY_OPERATION:
      return Verdict::kWantRead;
    case SSL_ERROR_ZERO_RETURN:
      return Verdict::kCleanEof;
    default:
      return Verdict::kFailed;
  }
}

}  // namespace tlsbridge::tls
