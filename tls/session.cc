#include "tls/session.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pool.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "tls/trust/client_verifier.h"

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

// What a session needs whose signatures are made elsewhere.
struct Session::Signing {
  static ssl_private_key_result_t Begin(SSL* ssl, uint8_t*, size_t*, size_t, uint16_t algorithm,
                                        const uint8_t* in, size_t in_length) {
    Signing* const self = Of(ssl)->signing_.get();
    self->job = std::make_shared<SigningJob>(bssl::UpRef(self->key), algorithm,
                                             absl::MakeConstSpan(in, in_length), [self] {
                                               if (self->on_signed) self->on_signed();
                                             });
    self->signer->Sign(self->job);
    return ssl_private_key_retry;
  }

  static ssl_private_key_result_t Complete(SSL* ssl, uint8_t* out, size_t* out_length,
                                           size_t max_out) {
    Signing* const self = Of(ssl)->signing_.get();
    if (!self->job->finished()) return ssl_private_key_retry;
    const std::shared_ptr<SigningJob> job = std::exchange(self->job, nullptr);
    const std::vector<uint8_t>& signature = job->signature();
    if (signature.empty() || signature.size() > max_out) return ssl_private_key_failure;
    std::copy(signature.begin(), signature.end(), out);
    *out_length = signature.size();
    return ssl_private_key_success;
  }

  // No key exchange that we offer decrypts with the certificate's key.
  static ssl_private_key_result_t Decrypt(SSL*, uint8_t*, size_t*, size_t, const uint8_t*, size_t) {
    return ssl_private_key_failure;
  }

  static constexpr SSL_PRIVATE_KEY_METHOD kMethod = {&Begin, &Decrypt, &Complete};

  Signing(Signer* by, bssl::UniquePtr<EVP_PKEY> with) : signer(by), key(std::move(with)) {}
  ~Signing() {
    if (job != nullptr) job->Abandon();
  }

  Signer* const signer;  // Not owned.
  const bssl::UniquePtr<EVP_PKEY> key;
  std::shared_ptr<SigningJob> job;  // while a signature is being made
  std::vector<uint8_t> unread;      // what came behind the message that is to be answered with it
  absl::AnyInvocable<void()> on_signed;
};

std::unique_ptr<Session> Session::Accept(const ServerContext& context,
                                         const ServerContext::Choice& choice, Staging* staging,
                                         Signer* signer) {
  EVP_PKEY* const key = choice.credential->key.get();
  const bool elsewhere = signer != nullptr && IsSlowToSign(key);
  const SSL_PRIVATE_KEY_METHOD* method = elsewhere ? &Signing::kMethod : nullptr;
  auto session = std::unique_ptr<Session>(new Session(context.NewSsl(choice, method), staging));
  if (elsewhere) session->signing_ = std::make_unique<Signing>(signer, bssl::UpRef(key));
  return session;
}

bool Session::awaits_signature() const { return signing_ != nullptr && signing_->job != nullptr; }

void Session::set_on_signed(absl::AnyInvocable<void()> on_signed) {
  if (signing_ != nullptr) signing_->on_signed = std::move(on_signed);
}

std::unique_ptr<Session> Session::Accept(const ServerContext& context, Staging* staging) {
  return Accept(context, context.Default(), staging);
}

std::unique_ptr<Session> Session::Reject(const ServerContext& context, Staging* staging) {
  std::unique_ptr<Session> session = Accept(context, staging);
  session->rejecting_ = true;
  return session;
}

Session::Session(bssl::UniquePtr<SSL> ssl, Staging* staging)
    : staging_(staging), ssl_(std::move(ssl)) {
  BIO_up_ref(staging->bio());  // one, since both are the same
  SSL_set_bio(ssl_.get(), staging->bio(), staging->bio());
  // Ciphers, groups and callbacks are of no use after the handshake: about 1 KiB a connection.
  SSL_set_shed_handshake_config(ssl_.get(), 1);
}

Session::~Session() = default;

// Not by SSL_set_app_data(), which costs each connection two allocations.
Session* Session::Of(const SSL* ssl) { return Staging::Of(SSL_get_rbio(ssl))->caller(); }

void Session::BeginCall() {
  ERR_clear_error();
  staging_->set_caller(this);
}

void Session::ObserveRejections(SSL_CTX* ctx) {
  SSL_CTX_set_select_certificate_cb(ctx, [](const SSL_CLIENT_HELLO* hello) {
    return Of(hello->ssl)->rejecting_ ? ssl_select_cert_error : ssl_select_cert_success;
  });
}

ssl_verify_result_t Session::VerifyClient(SSL* ssl, uint8_t* alert) {
  const ClientVerifier* verifier = ClientVerifier::Of(ssl);
  ClientVerifier::Decision decision = verifier->Check(SSL_get_peer_full_cert_chain(ssl));
  Session* self = Of(ssl);
  self->client_ = std::make_unique<Client>();
  Client& client = *self->client_;
  client.identity = std::move(decision.name);
  client.allowed_by = std::string(decision.allowed_by.data(), decision.allowed_by.size());
  client.common_name = std::move(decision.identity.common_name);
  client.uri = std::move(decision.uri);
  if (decision.problem == nullptr) return ssl_verify_ok;
  if (verifier->observe_only()) {
    self->would_refuse_.detail = FailureDetail::kBadClientCert;
    self->would_refuse_.why = decision.problem;
    return ssl_verify_ok;
  }
  self->certificate_problem_ = decision.problem;
  if (client.identity.size() > kMaxRefusedIdentity) client.identity.resize(kMaxRefusedIdentity);
  *alert = decision.alert;
  return ssl_verify_invalid;
}

// The end of a client's handshake: whether it is still welcome.
bool Session::LetIn() {
  const ClientVerifier* verifier = ClientVerifier::Of(ssl_.get());
  if (verifier == nullptr) return true;
  const bool has_certificate = sk_CRYPTO_BUFFER_num(SSL_get0_peer_certificates(ssl_.get())) > 0;
  if (!has_certificate) {
    if (verifier->required()) would_refuse_.detail = FailureDetail::kNoClientCert;
    return true;
  }
  // BoringSSL does not look at the certificate of a resumed session again, which came with its
  // ticket; it may have expired or been revoked since.
  uint8_t alert;
  if (SSL_session_reused(ssl_.get()) && VerifyClient(ssl_.get(), &alert) != ssl_verify_ok) {
    SSL_send_fatal_alert(ssl_.get(), alert);
    return false;
  }
  return true;
}

Verdict Session::Fail() {
  failure_ = TakeFailure();
  if (certificate_problem_ != nullptr) {
    failure_.detail = FailureDetail::kBadClientCert;
    failure_.why = certificate_problem_;
  }
  if (backend_ != nullptr) failure_ = OfBackend(failure_);
  finished_writing_ = true;
  return Verdict::kFailed;
}

Session::Received Session::Receive(absl::Span<const uint8_t> ciphertext) {
  BeginCall();
  received_anything_ = received_anything_ || !ciphertext.empty();
  std::vector<uint8_t> kept;
  if (signing_ != nullptr && !signing_->unread.empty()) {
    kept = std::exchange(signing_->unread, {});
    ciphertext = kept;
  }
  staging_->SetInput(ciphertext);
  absl::Cleanup forget_input = [this] { staging_->SetInput({}); };

  if (!handshake_done_) {
    const Verdict verdict = Interpret(ssl_.get(), SSL_do_handshake(ssl_.get()));
    if (verdict == Verdict::kWantRead) {
      if (awaits_signature()) {
        const absl::Span<const uint8_t> unread = staging_->input();
        signing_->unread.assign(unread.begin(), unread.end());
      }
      return {{}, verdict};
    }
    if (verdict == Verdict::kCleanEof) {  // close_notify in the middle of it
      failure_.detail =
          backend_ == nullptr ? FailureDetail::kClientGone : FailureDetail::kBackendGone;
      finished_writing_ = true;
      return {{}, Verdict::kFailed};
    }
    if (verdict != Verdict::kOk || !LetIn()) {
      Fail();
      if (const int16_t alert = PlaintextAlert(ciphertext);
          alert >= 0 && failure_.detail == FailureDetail::kProtocol && backend_ == nullptr) {
        failure_ = {FailureDetail::kClientAlert, alert};
      }
      return {{}, Verdict::kFailed};
    }
    handshake_done_ = true;
    signing_.reset();
  }

  const absl::Span<uint8_t> room = staging_->plaintext();
  size_t length = 0;
  while (true) {
    const int n =
        SSL_read(ssl_.get(), room.data() + length, static_cast<int>(room.size() - length));
    const Verdict verdict = Interpret(ssl_.get(), n);
    if (verdict == Verdict::kOk) {
      length += static_cast<size_t>(n);
      continue;
    }
    close_notify_received_ = verdict == Verdict::kCleanEof;
    return {room.first(length), verdict == Verdict::kFailed ? Fail() : verdict};
  }
}

Verdict Session::ReceiveEof() {
  if (handshake_done_) return close_notify_received_ ? Verdict::kCleanEof : Verdict::kTruncated;
  failure_.detail = received_anything_ ? FailureDetail::kClientGone : FailureDetail::kTcpProbe;
  if (backend_ != nullptr) failure_.detail = FailureDetail::kBackendGone;
  return Verdict::kFailed;
}

bool Session::Send(absl::Span<const uint8_t> plaintext) {
  BeginCall();
  // Memory takes all, so that a write is never partial and never has to be tried again.
  const int n = SSL_write(ssl_.get(), plaintext.data(), static_cast<int>(plaintext.size()));
  if (n == static_cast<int>(plaintext.size())) return true;
  Fail();
  return false;
}

void Session::SendCloseNotify() {
  if (!handshake_done_ || std::exchange(finished_writing_, true)) return;
  BeginCall();
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

void Session::SendInternalError() {
  if (std::exchange(finished_writing_, true)) return;
  BeginCall();
  SSL_send_fatal_alert(ssl_.get(), SSL_AD_INTERNAL_ERROR);
  ERR_clear_error();
}

bool Session::amid_record() const { return SSL_has_pending(ssl_.get()) != 0; }

absl::string_view Session::server_name() const {
  const char* name = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name);
  return name == nullptr ? "" : name;
}

absl::string_view Session::alpn() const {
  const uint8_t* data = nullptr;
  unsigned length = 0;
  SSL_get0_alpn_selected(ssl_.get(), &data, &length);
  return {reinterpret_cast<const char*>(data), length};
}

const char* Session::version() const { return handshake_done_ ? SSL_get_version(ssl_.get()) : ""; }

const char* Session::cipher() const {
  const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl_.get());
  return handshake_done_ && cipher != nullptr ? SSL_CIPHER_standard_name(cipher) : "";
}

const char* Session::group() const {
  const uint16_t id = SSL_get_curve_id(ssl_.get());
  const char* name = id == 0 ? nullptr : SSL_get_curve_name(id);
  return name == nullptr ? "" : name;
}

bool Session::resumed() const { return handshake_done_ && SSL_session_reused(ssl_.get()); }

}  // namespace tlsbridge::tls
