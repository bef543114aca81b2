// Our end of a session with a backend: what a backend needs and a client does not.

#include <openssl/ssl.h>

#include <utility>

#include "tls/backend_context.h"
#include "tls/out_of_memory.h"
#include "tls/session.h"

namespace tlsbridge::tls {

std::unique_ptr<Session> Session::Connect(std::shared_ptr<const BackendContext> context,
                                          Staging* staging, absl::string_view backend) {
  bssl::UniquePtr<SSL> ssl(Made(SSL_new(context->ssl_ctx())));
  SSL_set_connect_state(ssl.get());
  if (!context->server_name().empty()) {
    Done(SSL_set_tlsext_host_name(ssl.get(), context->server_name().c_str()));
  }
  const SessionCache::Resumable earlier = context->TakeSession(backend);
  if (earlier.session != nullptr) SSL_set_session(ssl.get(), earlier.session.get());
  std::unique_ptr<Session> session(new Session(std::move(ssl), staging));
  session->backend_ = std::make_unique<Backend>(
      Backend{std::move(context), std::string(backend), earlier.trusted_until});
  return session;
}

Verdict Session::Start() {
  BeginCall();
  const Verdict verdict = Interpret(ssl_.get(), SSL_do_handshake(ssl_.get()));
  return verdict == Verdict::kFailed ? Fail() : verdict;
}

ssl_verify_result_t Session::VerifyBackend(SSL* ssl, uint8_t* alert) {
  Session* self = Of(ssl);
  const TrustStore::Problem problem =
      self->backend_->context->Verify(SSL_get_peer_full_cert_chain(ssl));
  if (problem.why == nullptr) {
    self->backend_->trusted_until = problem.until;
    return ssl_verify_ok;
  }
  self->certificate_problem_ = problem.why;
  *alert = problem.alert;
  return ssl_verify_invalid;
}

void Session::KeepSession(SSL* ssl, bssl::UniquePtr<SSL_SESSION> session) {
  const Session* self = Of(ssl);
  self->backend_->context->PutSession(self->backend_->name,
                                      {std::move(session), self->backend_->trusted_until});
}

}  // namespace tlsbridge::tls
