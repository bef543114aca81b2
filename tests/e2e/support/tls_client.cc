#include "tests/e2e/support/tls_client.h"

#include <openssl/bio.h>
#include <openssl/err.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tlsbridge::e2e {
namespace {

// What one record holds at most.
constexpr size_t kReadBytes = 16 * 1024;

}  // namespace

absl::StatusOr<TlsClient> TlsClient::Connect(absl::string_view address,
                                             const TlsClientOptions& options) {
  absl::StatusOr<Socket> socket = Socket::Connect(address, options.source);
  if (!socket.ok()) return socket.status();
  auto state = std::make_unique<State>(*std::move(socket));
  state->ctx.reset(SSL_CTX_new(TLS_method()));
  SSL_CTX* ctx = state->ctx.get();
  // BoringSSL's client knows versions that the program must refuse.
  SSL_CTX_set_min_proto_version(
      ctx, static_cast<uint16_t>(options.version == 0 ? TLS1_VERSION : options.version));
  SSL_CTX_set_max_proto_version(
      ctx, static_cast<uint16_t>(options.version == 0 ? TLS1_3_VERSION : options.version));
  if (!options.ciphers.empty()) SSL_CTX_set_cipher_list(ctx, options.ciphers.c_str());
  SSL_CTX_set_custom_verify(ctx, SSL_VERIFY_NONE, [](SSL*, uint8_t*) { return ssl_verify_ok; });
  SSL_CTX_set_info_callback(ctx, &OnInfo);
  state->ssl.reset(SSL_new(ctx));
  SSL* ssl = state->ssl.get();
  SSL_set_app_data(ssl, state.get());
  if (!options.server_name.empty()) SSL_set_tlsext_host_name(ssl, options.server_name.c_str());
  if (!options.alpn.empty()) {
    const std::string list =
        absl::StrCat(std::string(1, static_cast<char>(options.alpn.size())), options.alpn);
    SSL_set_alpn_protos(ssl, reinterpret_cast<const uint8_t*>(list.data()),
                        static_cast<unsigned>(list.size()));
  }
  SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  BIO_set_mem_eof_return(SSL_get_rbio(ssl), -1);
  SSL_set_connect_state(ssl);
  return TlsClient(std::move(state));
}

absl::StatusOr<TlsClient> TlsClient::Open(absl::string_view address,
                                          const TlsClientOptions& options) {
  absl::StatusOr<TlsClient> client = Connect(address, options);
  if (!client.ok()) return client;
  if (absl::Status status = client->Handshake(); !status.ok()) return status;
  return client;
}

void TlsClient::OnInfo(const SSL* ssl, int type, int value) {
  if (type != SSL_CB_READ_ALERT || (value >> 8) != SSL3_AL_FATAL) return;
  auto* state = static_cast<State*>(SSL_get_app_data(ssl));
  state->alert = value & 0xff;
  state->end = TlsEnd::kAlert;
}

absl::Status TlsClient::Flush() {
  const uint8_t* data = nullptr;
  size_t length = 0;
  BIO* out = SSL_get_wbio(ssl());
  if (BIO_mem_contents(out, &data, &length) != 1 || length == 0) return absl::OkStatus();
  const std::string records(reinterpret_cast<const char*>(data), length);
  BIO_reset(out);
  return socket().Write(records);
}

absl::StatusOr<bool> TlsClient::Fill() {
  const absl::StatusOr<std::string> arrived = socket().ReadSome();
  if (!arrived.ok() && socket().last_errno() != ECONNRESET) return arrived.status();
  if (!arrived.ok() || arrived->empty()) {
    state_->end = arrived.ok() ? TlsEnd::kFin : TlsEnd::kReset;
    return false;
  }
  BIO_write(SSL_get_rbio(ssl()), arrived->data(), static_cast<int>(arrived->size()));
  return true;
}

absl::Status TlsClient::Handshake() {
  while (true) {
    ERR_clear_error();
    const int rc = SSL_do_handshake(ssl());
    const int error = SSL_get_error(ssl(), rc);
    if (absl::Status status = Flush(); !status.ok()) return status;
    if (rc == 1) return absl::OkStatus();
    if (error != SSL_ERROR_WANT_READ) {
      return absl::AbortedError(absl::StrCat("handshake failed, alert ", alert()));
    }
    const absl::StatusOr<bool> more = Fill();
    if (!more.ok()) return more.status();
    if (!*more) return absl::OutOfRangeError("end of stream in the handshake");
  }
}

absl::Status TlsClient::SendClientHello() {
  SSL_do_handshake(ssl());
  ERR_clear_error();
  return Flush();
}

absl::Status TlsClient::Write(absl::string_view plaintext) {
  if (SSL_write(ssl(), plaintext.data(), static_cast<int>(plaintext.size())) !=
      static_cast<int>(plaintext.size())) {
    return absl::InternalError("SSL_write failed");
  }
  return Flush();
}

absl::StatusOr<std::string> TlsClient::ReadSome() {
  if (!state_->read_ahead.empty()) return std::exchange(state_->read_ahead, {});
  std::string buffer(kReadBytes, '\0');
  while (true) {
    ERR_clear_error();
    const int n = SSL_read(ssl(), buffer.data(), static_cast<int>(buffer.size()));
    if (n > 0) {
      buffer.resize(static_cast<size_t>(n));
      return buffer;
    }
    const int error = SSL_get_error(ssl(), n);
    if (absl::Status status = Flush(); !status.ok() && socket().last_errno() != EPIPE) {
      return status;
    }
    if (error == SSL_ERROR_ZERO_RETURN) state_->end = TlsEnd::kCloseNotify;
    if (error == SSL_ERROR_ZERO_RETURN || alert() >= 0) return std::string();
    if (error != SSL_ERROR_WANT_READ) return absl::InternalError("SSL_read failed");
    const absl::StatusOr<bool> more = Fill();
    if (!more.ok()) return more.status();
    if (!*more) return std::string();
  }
}

absl::StatusOr<std::string> TlsClient::ReadExactly(size_t bytes) {
  std::string result;
  while (result.size() < bytes) {
    absl::StatusOr<std::string> part = ReadSome();
    if (!part.ok()) return part.status();
    if (part->empty()) {
      return absl::OutOfRangeError(absl::StrCat("end after ", result.size(), " of ", bytes));
    }
    result += *part;
  }
  state_->read_ahead = result.substr(bytes);
  result.resize(bytes);
  return result;
}

absl::StatusOr<std::string> TlsClient::ReadToEnd() {
  std::string result;
  while (true) {
    absl::StatusOr<std::string> part = ReadSome();
    if (!part.ok()) return part.status();
    if (part->empty()) return result;
    result += *part;
  }
}

absl::Status TlsClient::SendCloseNotify() {
  SSL_shutdown(ssl());
  return Flush();
}

}  // namespace tlsbridge::e2e
