#include "tls/session.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <utility>

#include "absl/cleanup/cleanup.h"
#include "tls/check.h"

namespace tlsbridge::tls {

Session::Session(bssl::UniquePtr<SSL> ssl, Staging* staging)
    : staging_(staging), ssl_(std::move(ssl)) {
  BIO_up_ref(staging->bio());  // one, since both are the same
  SSL_set_bio(ssl_.get(), staging->bio(), staging->bio());
  // Ciphers, groups and callbacks are of no use after the handshake: about 1 KiB a connection.
  SSL_set_shed_handshake_config(ssl_.get(), 1);
}

Session::~Session() = default;

void Session::BeginCall() {
#ifndef NDEBUG
  Check(staging_->output().empty(), "the output of one session was left for the next");
#endif
  // Whatever it is, it shall not leave with this session's records.
  staging_->ClearOutput();
  ERR_clear_error();
  staging_->set_caller(this);
}

Verdict Session::Start() {
  BeginCall();
  const Verdict verdict = Interpret(ssl_.get(), SSL_do_handshake(ssl_.get()));
  return verdict == Verdict::kFailed ? Fail({}) : verdict;
}

Session::Received Session::Receive(absl::Span<const uint8_t> ciphertext) {
  Check(ciphertext.size() <= Staging::kMaxInputBytes, "a session was given too much in one call");
  BeginCall();
  received_anything_ = received_anything_ || !ciphertext.empty();
  const std::vector<uint8_t> kept = std::exchange(unread_, {});
  if (!kept.empty()) {
    Check(ciphertext.empty(), "ciphertext was read while a signature was waited for");
    ciphertext = kept;
  }
  staging_->SetInput(ciphertext);
  absl::Cleanup forget_input = [this] { staging_->SetInput({}); };
  if (!handshake_done_) {
    if (const Verdict verdict = Handshake(ciphertext); verdict != Verdict::kOk) {
      return {{}, verdict};
    }
  }

  const absl::Span<uint8_t> room = staging_->plaintext();
  size_t length = 0;
  size_t records = 0;
  while (true) {
    const int n =
        SSL_read(ssl_.get(), room.data() + length, static_cast<int>(room.size() - length));
    const Verdict verdict = Interpret(ssl_.get(), n);
    if (verdict == Verdict::kOk) {
      length += static_cast<size_t>(n);
      ++records;
      continue;
    }
    close_notify_received_ = verdict == Verdict::kCleanEof;
    return {room.first(length), verdict == Verdict::kFailed ? Fail(ciphertext) : verdict, records};
  }
}

// kOk: it is done. kWantRead: it is under way.
Verdict Session::Handshake(absl::Span<const uint8_t> ciphertext) {
  const Verdict verdict = Interpret(ssl_.get(), SSL_do_handshake(ssl_.get()));
  if (verdict == Verdict::kWantRead) {
    const absl::Span<const uint8_t> unread = staging_->input();
    Check(unread.empty() || awaits_signature(), "a session did not read what it was given");
    unread_.assign(unread.begin(), unread.end());
    return verdict;
  }
  if (verdict == Verdict::kCleanEof) {  // close_notify in the middle of it
    failure_ = Explain({.detail = FailureDetail::kClientGone}, ciphertext);
    finished_writing_ = true;
    return Verdict::kFailed;
  }
  if (verdict != Verdict::kOk || !LetIn()) return Fail(ciphertext);
  handshake_done_ = true;
  return verdict;
}

Verdict Session::Fail(absl::Span<const uint8_t> ciphertext) {
  Failure failure = TakeFailure();
  // A cipher is agreed on: whatever it was that came then, the peer does speak TLS.
  const bool speaks_tls = handshake_done_ || SSL_get_pending_cipher(ssl_.get()) != nullptr;
  if (failure.detail == FailureDetail::kNotTls && speaks_tls) {
    failure.detail = FailureDetail::kProtocol;
  }
  if (certificate_problem_ != nullptr) {
    failure.detail = FailureDetail::kBadClientCert;
    failure.why = certificate_problem_;
  }
  failure_ = Explain(failure, ciphertext);
  finished_writing_ = true;
  return Verdict::kFailed;
}

Verdict Session::ReceiveEof() {
  if (handshake_done_) return close_notify_received_ ? Verdict::kCleanEof : Verdict::kTruncated;
  const FailureDetail detail =
      received_anything_ ? FailureDetail::kClientGone : FailureDetail::kTcpProbe;
  failure_ = Explain({.detail = detail}, {});
  return Verdict::kFailed;
}

bool Session::Send(absl::Span<const uint8_t> plaintext) {
  BeginCall();
  // Memory takes all, so that a write is never partial and never has to be tried again.
  const int n = SSL_write(ssl_.get(), plaintext.data(), static_cast<int>(plaintext.size()));
  if (n == static_cast<int>(plaintext.size())) return true;
  Fail({});
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

bool Session::can_half_close() const { return SSL_version(ssl_.get()) >= TLS1_3_VERSION; }

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
  const uint16_t id = SSL_get_group_id(ssl_.get());
  const char* name = id == 0 ? nullptr : SSL_get_group_name(id);
  return name == nullptr ? "" : name;
}

bool Session::resumed() const { return handshake_done_ && SSL_session_reused(ssl_.get()); }

}  // namespace tlsbridge::tls
