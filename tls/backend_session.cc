#include "tls/backend_session.h"

#include <openssl/ssl.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "tls/out_of_memory.h"
#include "tls/trust/peer_chain.h"

namespace tlsbridge::tls {

std::unique_ptr<BackendSession> BackendSession::Connect(
    std::shared_ptr<const BackendContext> context, Staging* staging, absl::string_view backend,
    absl::string_view alpn) {
  bssl::UniquePtr<SSL> ssl(Made(SSL_new(context->ssl_ctx())));
  SSL_set_connect_state(ssl.get());
  const std::string& name = context->server_name();
  if (!name.empty()) Done(SSL_set_tlsext_host_name(ssl.get(), name.c_str()));
  if (!alpn.empty()) {
    // Zero is success, unlike elsewhere.
    const int failed = SSL_set_alpn_protos(ssl.get(), reinterpret_cast<const uint8_t*>(alpn.data()),
                                           static_cast<unsigned>(alpn.size()));
    Done(failed == 0 ? 1 : 0);
  }
  // A session stands for a protocol, too.
  std::string peer = absl::StrCat(backend, "\n", alpn);
  const SessionCache::Resumable earlier = context->TakeSession(peer);
  if (earlier.session != nullptr) SSL_set_session(ssl.get(), earlier.session.get());
  return std::unique_ptr<BackendSession>(new BackendSession(
      std::move(ssl), staging, std::move(context), std::move(peer), earlier.trusted_until));
}

BackendSession::BackendSession(bssl::UniquePtr<SSL> ssl, Staging* staging,
                               std::shared_ptr<const BackendContext> context, std::string peer,
                               absl::Time trusted_until)
    : Session(std::move(ssl), staging),
      context_(std::move(context)),
      peer_(std::move(peer)),
      trusted_until_(trusted_until) {}

BackendSession::~BackendSession() = default;

ssl_verify_result_t BackendSession::VerifyPeer(uint8_t* alert) {
  const TrustStore::Problem problem = context_->Verify(ParsePeerChain(ssl()).get());
  if (problem.why == nullptr) {
    trusted_until_ = problem.until;
    return ssl_verify_ok;
  }
  certificate_problem_ = problem.why;
  *alert = problem.alert;
  return ssl_verify_invalid;
}

void BackendSession::KeepSession(bssl::UniquePtr<SSL_SESSION> session) {
  context_->PutSession(peer_, {std::move(session), trusted_until_});
}

Failure BackendSession::Explain(Failure failure, absl::Span<const uint8_t>) const {
  return OfBackend(failure);
}

}  // namespace tlsbridge::tls
