#include "tools/chaos/tls_client.h"

#include <openssl/bio.h>
#include <openssl/err.h>

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_split.h"

namespace tlsbridge::chaos {
namespace {

TlsClient* FromSsl(const SSL* ssl) { return static_cast<TlsClient*>(SSL_get_app_data(ssl)); }

}  // namespace

TlsClientContext::TlsClientContext(bool tls13) : ctx_(SSL_CTX_new(TLS_method())) {
  const uint16_t version = tls13 ? TLS1_3_VERSION : TLS1_2_VERSION;
  SSL_CTX_set_min_proto_version(ctx_.get(), version);
  SSL_CTX_set_max_proto_version(ctx_.get(), version);
  SSL_CTX_set_custom_verify(ctx_.get(), SSL_VERIFY_PEER,
                            [](SSL*, uint8_t*) { return ssl_verify_ok; });
  SSL_CTX_set_session_cache_mode(ctx_.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_set_app_data(ctx_.get(), this);
  SSL_CTX_sess_set_new_cb(ctx_.get(), [](SSL* ssl, SSL_SESSION* session) {
    auto* self = static_cast<TlsClientContext*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
    self->ticket_.reset(session);
    return 1;  // the reference is ours now
  });
}

TlsClient::TlsClient(TlsClientContext* context, bool resume) : ssl_(SSL_new(context->ctx_.get())) {
  SSL_set_connect_state(ssl_.get());
  SSL_set_app_data(ssl_.get(), this);
  SSL_set_tlsext_host_name(ssl_.get(), "localhost");
  SSL_set_info_callback(ssl_.get(), &OnInfo);
  SSL_CTX_set_keylog_callback(context->ctx_.get(), [](const SSL* ssl, const char* line) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
    if (words.size() == 3 && words[0] == "CLIENT_TRAFFIC_SECRET_0") {
      FromSsl(ssl)->secret_ = absl::HexStringToBytes(words[2]);
    }
  });
  if (resume && context->ticket_ != nullptr) SSL_set_session(ssl_.get(), context->ticket_.get());
  BIO* in = BIO_new(BIO_s_mem());
  BIO_set_mem_eof_return(in, -1);
  SSL_set_bio(ssl_.get(), in, BIO_new(BIO_s_mem()));
  std::string nothing;
  Advance(&nothing);
}

void TlsClient::OnInfo(const SSL* ssl, int type, int value) {
  const bool fatal = value >> 8 == SSL3_AL_FATAL;
  if (type == SSL_CB_READ_ALERT && fatal) FromSsl(ssl)->alert_received_ = value & 0xff;
}

void TlsClient::Receive(absl::string_view raw, std::string* plaintext) {
  if (raw.empty()) return;
  BIO_write(SSL_get_rbio(ssl_.get()), raw.data(), static_cast<int>(raw.size()));
  Advance(plaintext);
}

void TlsClient::Note(int result) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      break;
    case SSL_ERROR_ZERO_RETURN:
      close_notify_received_ = true;
      break;
    default:
      failed_ = true;
      if (alert_received_ < 0) {
        char text[256] = "unknown";
        ERR_error_string_n(ERR_peek_error(), text, sizeof(text));
        complaint_ = text;
      }
      break;
  }
}

void TlsClient::Advance(std::string* plaintext) {
  ERR_clear_error();
  if (!failed_ && !handshake_done_) {
    const int result = SSL_do_handshake(ssl_.get());
    if (result == 1) {
      handshake_done_ = true;
    } else {
      Note(result);
    }
  }
  char buffer[kMostPlaintextBytes];
  while (handshake_done_ && !failed_ && !close_notify_received_) {
    const int n = SSL_read(ssl_.get(), buffer, sizeof(buffer));
    if (n <= 0) {
      Note(n);
      break;
    }
    plaintext->append(buffer, static_cast<size_t>(n));
  }
  MoveOut();
}

void TlsClient::MoveOut() {
  BIO* out = SSL_get_wbio(ssl_.get());
  const uint8_t* data;
  size_t length;
  if (BIO_mem_contents(out, &data, &length) == 1 && length > 0) {
    // With forged records under way, one of BoringSSL's own would have a number twice.
    if (forge_ == nullptr) output_.append(reinterpret_cast<const char*>(data), length);
    BIO_reset(out);
  }
}

void TlsClient::Send(absl::string_view plaintext) {
  if (forge_ != nullptr) {
    return SendRaw(forge_->Seal(SSL3_RT_APPLICATION_DATA, plaintext));
  }
  if (failed_) return;
  ERR_clear_error();
  const int n = SSL_write(ssl_.get(), plaintext.data(), static_cast<int>(plaintext.size()));
  if (n != static_cast<int>(plaintext.size())) Note(n);
  MoveOut();
}

void TlsClient::SendCloseNotify() {
  if (forge_ != nullptr) {
    SendRaw(forge_->Seal(SSL3_RT_ALERT, absl::string_view("\1\0", 2)));
    return;
  }
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
  MoveOut();
}

void TlsClient::SendKeyUpdate(bool request_answer) {
  ERR_clear_error();
  SSL_key_update(ssl_.get(),
                 request_answer ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED);
  MoveOut();
}

RecordForge* TlsClient::Forge() {
  if (forge_ == nullptr && handshake_done_) forge_ = RecordForge::Create(ssl_.get(), secret_);
  return forge_.get();
}

}  // namespace tlsbridge::chaos
