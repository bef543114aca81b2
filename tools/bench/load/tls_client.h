// What all TLS connections of a run have in common: parameters, trust in the test certificate, and
// the newest ticket.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tools/bench/load/options.h"
#include "tools/bench/load/tally.h"
#include "tools/bench/load/tls_stream.h"
#include "tools/bench/net/socket.h"

namespace tlsbridge::bench {

// Outlives the streams that it makes. Does not move: BoringSSL keeps its address.
class TlsClient {
 public:
  static absl::StatusOr<std::unique_ptr<TlsClient>> Create(const TlsOptions& options);

  // With `resume` the newest ticket is offered, if there is one.
  std::unique_ptr<TlsStream> NewStream(Socket socket, bool resume) const;
  bool has_ticket() const { return ticket_ != nullptr; }

  // After the handshake: an error unless everything that the options ask for was agreed upon. Tells
  // `tally` what was.
  absl::Status CheckParameters(SSL* ssl, Tally& tally) const;

 private:
  explicit TlsClient(const TlsOptions& options) : options_(options) {}
  absl::Status Configure();
  static int OnNewSession(SSL* ssl, SSL_SESSION* session);

  TlsOptions options_;
  bssl::UniquePtr<SSL_CTX> context_;
  bssl::UniquePtr<SSL_SESSION> ticket_;
};

}  // namespace tlsbridge::bench
