#include "tls/client_session.h"

#include <openssl/pool.h>
#include <openssl/ssl.h>

#include <utility>

#include "tls/trust/client_verifier.h"
#include "tls/trust/peer_chain.h"

namespace tlsbridge::tls {
namespace {

// The fatal alert in the plaintext record that `bytes` end with; -1 for none. OpenSSL's client
// refuses a certificate of TLS 1.3 in the clear, before it takes up its keys, where BoringSSL
// expects an encrypted record.
int16_t PlaintextAlert(absl::Span<const uint8_t> bytes) {
  constexpr size_t kLength = SSL3_RT_HEADER_LENGTH + 2;
  if (bytes.size() < kLength) return -1;
  const uint8_t* record = bytes.data() + bytes.size() - kLength;
  const bool is_alert = record[0] == SSL3_RT_ALERT && record[1] == SSL3_VERSION_MAJOR &&
                        record[3] == 0 && record[4] == 2 && record[5] == SSL3_AL_FATAL;
  return is_alert ? record[6] : int16_t{-1};
}

}  // namespace

// BoringSSL's questions for a key that signs elsewhere.
struct ClientSession::KeyMethod {
  static DelegatedSignature* Of(SSL* ssl) {
    return static_cast<ClientSession*>(Staging::CallerOf(ssl))->signature_.get();
  }
  static ssl_private_key_result_t Sign(SSL* ssl, uint8_t* out, size_t* out_length, size_t max_out,
                                       uint16_t algorithm, const uint8_t* in, size_t in_length) {
    return Of(ssl)->Begin(algorithm, absl::MakeConstSpan(in, in_length),
                          absl::MakeSpan(out, max_out), out_length);
  }
  static ssl_private_key_result_t Complete(SSL* ssl, uint8_t* out, size_t* out_length,
                                           size_t max_out) {
    return Of(ssl)->Complete(absl::MakeSpan(out, max_out), out_length);
  }
  // No key exchange that we offer decrypts with the certificate's key.
  static ssl_private_key_result_t Decrypt(SSL*, uint8_t*, size_t*, size_t, const uint8_t*, size_t) {
    return ssl_private_key_failure;
  }

  static constexpr SSL_PRIVATE_KEY_METHOD kMethod = {&Sign, &Decrypt, &Complete};
};

std::unique_ptr<ClientSession> ClientSession::Accept(const ServerContext& context,
                                                     const ServerContext::Choice& choice,
                                                     Staging* staging, Signer* signer) {
  EVP_PKEY* const key = choice.credential->key.get();
  const bool elsewhere = signer != nullptr && IsSlowToSign(key);
  bssl::UniquePtr<SSL> ssl = context.NewSsl(choice, elsewhere ? &KeyMethod::kMethod : nullptr);
  std::unique_ptr<ClientSession> session(new ClientSession(std::move(ssl), staging));
  session->verifiable_ = choice.verifiable;
  if (elsewhere) {
    session->signature_ = std::make_unique<DelegatedSignature>(signer, bssl::UpRef(key));
  }
  return session;
}

std::unique_ptr<ClientSession> ClientSession::Accept(const ServerContext& context,
                                                     Staging* staging) {
  return Accept(context, context.Default(), staging);
}

ClientSession::ClientSession(bssl::UniquePtr<SSL> ssl, Staging* staging)
    : Session(std::move(ssl), staging) {}

ClientSession::~ClientSession() = default;

bool ClientSession::awaits_signature() const {
  return signature_ != nullptr && signature_->is_pending();
}

void ClientSession::set_on_signed(absl::AnyInvocable<void()> on_signed) {
  if (signature_ != nullptr) signature_->set_on_signed(std::move(on_signed));
}

ssl_verify_result_t ClientSession::VerifyPeer(uint8_t* alert) {
  const ClientVerifier* verifier = ClientVerifier::Of(ssl());
  ClientVerifier::Decision decision = verifier->Check(ParsePeerChain(ssl()).get());
  client_ = std::make_unique<Client>();
  client_->identity = std::move(decision.name);
  client_->allowed_by = std::string(decision.allowed_by.data(), decision.allowed_by.size());
  client_->common_name = std::move(decision.identity.common_name);
  client_->uri = std::move(decision.uri);
  if (decision.problem == nullptr) return ssl_verify_ok;
  if (verifier->observe_only()) {
    would_refuse_.detail = FailureDetail::kBadClientCert;
    would_refuse_.why = decision.problem;
    return ssl_verify_ok;
  }
  certificate_problem_ = decision.problem;
  std::string& identity = client_->identity;
  if (identity.size() > kMaxRefusedIdentity) identity.resize(kMaxRefusedIdentity);
  *alert = decision.alert;
  return ssl_verify_invalid;
}

bool ClientSession::LetIn() {
  signature_.reset();
  const ClientVerifier* verifier = ClientVerifier::Of(ssl());
  if (verifier == nullptr) return true;
  const bool has_certificate = sk_CRYPTO_BUFFER_num(SSL_get0_peer_certificates(ssl())) > 0;
  if (!has_certificate) {
    if (verifier->required()) would_refuse_.detail = FailureDetail::kNoClientCert;
    return true;
  }
  // BoringSSL does not look at the certificate of a resumed session again, which came with its
  // ticket; it may have expired or been revoked since.
  uint8_t alert;
  if (SSL_session_reused(ssl()) && VerifyPeer(&alert) != ssl_verify_ok) {
    SSL_send_fatal_alert(ssl(), alert);
    return false;
  }
  return true;
}

Failure ClientSession::Explain(Failure failure, absl::Span<const uint8_t> ciphertext) const {
  // In TLS 1.2 BoringSSL then finds no cipher for the key, of which clients may have plenty.
  if (failure.detail == FailureDetail::kNoSharedCipher && !verifiable_) {
    return {.detail = FailureDetail::kNoSharedSignature,
            .reason = "NO_COMMON_SIGNATURE_ALGORITHMS"};
  }
  if (failure.detail != FailureDetail::kProtocol || handshake_done()) return failure;
  const int16_t alert = PlaintextAlert(ciphertext);
  if (alert < 0) return failure;
  return {.detail = FailureDetail::kClientAlert, .alert = alert};
}

}  // namespace tlsbridge::tls
