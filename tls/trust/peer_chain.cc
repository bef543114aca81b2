#include "tls/trust/peer_chain.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <utility>

#include "tls/out_of_memory.h"

namespace tlsbridge::tls {

bssl::UniquePtr<STACK_OF(X509)> ParsePeerChain(const SSL* ssl) {
  bssl::UniquePtr<STACK_OF(X509)> chain(Made(sk_X509_new_null()));
  for (CRYPTO_BUFFER* shown : SSL_get0_peer_certificates(ssl)) {
    bssl::UniquePtr<X509> certificate(X509_parse_from_buffer(shown));
    if (certificate == nullptr) {
      ERR_clear_error();
      return nullptr;
    }
    Done(bssl::PushToStack(chain.get(), std::move(certificate)));
  }
  return chain;
}

}  // namespace tlsbridge::tls
