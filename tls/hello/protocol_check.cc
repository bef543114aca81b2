#include "tls/hello/protocol_check.h"

#include <openssl/ssl.h>

#include "tls/out_of_memory.h"

namespace tlsbridge::tls {

absl::Status CheckProtocolOptions(const ProtocolOptions& options) {
  bssl::UniquePtr<SSL_CTX> ctx(Made(SSL_CTX_new(TLS_method())));
  return ApplyProtocolOptions(options, ctx.get());
}

}  // namespace tlsbridge::tls
