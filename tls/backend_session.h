// A session with a backend: the client's end of the handshake.
//
// Thread, owner, failure: as tls/session.h has it.
#pragma once

#include <openssl/base.h>
#include <stdint.h>

#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "tls/backend_context.h"
#include "tls/failure.h"
#include "tls/session.h"
#include "tls/staging.h"

namespace tlsbridge::tls {

class BackendSession final : public Session {
 public:
  // Start() begins it. `backend`, its address, and `alpn`, what it is offered (of
  // BackendContext::Offer() or alpn()), tell which of the earlier sessions may be resumed.
  static std::unique_ptr<BackendSession> Connect(std::shared_ptr<const BackendContext> context,
                                                 Staging* staging, absl::string_view backend,
                                                 absl::string_view alpn = {});

  ~BackendSession() override;

 private:
  BackendSession(bssl::UniquePtr<SSL> ssl, Staging* staging,
                 std::shared_ptr<const BackendContext> context, std::string peer,
                 absl::Time trusted_until);

  ssl_verify_result_t VerifyPeer(uint8_t* alert) override;
  void KeepSession(bssl::UniquePtr<SSL_SESSION> session) override;
  Failure Explain(Failure failure, absl::Span<const uint8_t>) const override;

  const std::shared_ptr<const BackendContext> context_;
  const std::string peer_;    // and what it is offered: under this its sessions are kept
  absl::Time trusted_until_;  // what it showed when it was verified is good until then
};

}  // namespace tlsbridge::tls
