#include "tools/bench/load/tls_client.h"

#include <openssl/evp.h>
#include <openssl/pool.h>
#include <openssl/x509.h>

#include "absl/strings/str_cat.h"

namespace tlsbridge::bench {
namespace {

std::string KeyName(SSL* ssl) {
  const STACK_OF(CRYPTO_BUFFER)* chain = SSL_get0_peer_certificates(ssl);
  if (chain == nullptr || sk_CRYPTO_BUFFER_num(chain) == 0) return "none";
  bssl::UniquePtr<X509> certificate(X509_parse_from_buffer(sk_CRYPTO_BUFFER_value(chain, 0)));
  if (certificate == nullptr) return "unreadable";
  bssl::UniquePtr<EVP_PKEY> key(X509_get_pubkey(certificate.get()));
  if (key == nullptr) return "unknown";
  const int bits = EVP_PKEY_bits(key.get());
  if (EVP_PKEY_id(key.get()) == EVP_PKEY_EC) return absl::StrCat("ecdsa-", bits);
  if (EVP_PKEY_id(key.get()) == EVP_PKEY_RSA) return absl::StrCat("rsa-", bits);
  return "other";
}

}  // namespace

absl::StatusOr<std::unique_ptr<TlsClient>> TlsClient::Create(const TlsOptions& options) {
  std::unique_ptr<TlsClient> client(new TlsClient(options));
  if (const absl::Status status = client->Configure(); !status.ok()) return status;
  return client;
}

absl::Status TlsClient::Configure() {
  // With buffers no X509 object is made for each handshake: less work for the client, the same for
  // the proxy.
  context_.reset(SSL_CTX_new(TLS_with_buffers_method()));
  SSL_CTX* context = context_.get();
  const uint16_t version = options_.version == "1.2" ? TLS1_2_VERSION : TLS1_3_VERSION;
  SSL_CTX_set_min_proto_version(context, version);
  SSL_CTX_set_max_proto_version(context, version);
  // TLS 1.3 suites cannot be narrowed; there the agreed suite is checked after the handshake.
  if (!options_.cipher.empty() && version == TLS1_2_VERSION &&
      !SSL_CTX_set_strict_cipher_list(context, options_.cipher.c_str())) {
    return absl::InvalidArgumentError(absl::StrCat("unknown cipher ", options_.cipher));
  }
  if (!options_.group.empty() && !SSL_CTX_set1_groups_list(context, options_.group.c_str())) {
    return absl::InvalidArgumentError(absl::StrCat("unknown group ", options_.group));
  }
  // The certificate is the runner's own. Its signature in the handshake is checked all the same.
  SSL_CTX_set_custom_verify(context, SSL_VERIFY_PEER, [](SSL*, uint8_t*) { return ssl_verify_ok; });
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, &TlsClient::OnNewSession);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_app_data(context, this);
  return absl::OkStatus();
}

int TlsClient::OnNewSession(SSL* ssl, SSL_SESSION* session) {
  auto* self = static_cast<TlsClient*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  self->ticket_.reset(session);
  return 1;  // The reference is ours now.
}

std::unique_ptr<TlsStream> TlsClient::NewStream(Socket socket, bool resume) const {
  bssl::UniquePtr<SSL> ssl(SSL_new(context_.get()));
  SSL_set_connect_state(ssl.get());
  if (!options_.sni.empty()) SSL_set_tlsext_host_name(ssl.get(), options_.sni.c_str());
  if (resume && ticket_ != nullptr) SSL_set_session(ssl.get(), ticket_.get());
  return std::make_unique<TlsStream>(std::move(socket), std::move(ssl));
}

absl::Status TlsClient::CheckParameters(SSL* ssl, Tally& tally) const {
  const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl);
  const char* group = SSL_get_group_name(SSL_get_group_id(ssl));
  if (tally.version.empty()) {
    tally.version = SSL_get_version(ssl);
    tally.cipher = SSL_CIPHER_standard_name(cipher);
    tally.group = group == nullptr ? "none" : group;
    tally.certificate = KeyName(ssl);
  }
  if (!options_.cipher.empty() && options_.cipher != SSL_CIPHER_standard_name(cipher) &&
      options_.cipher != SSL_CIPHER_get_name(cipher)) {
    return absl::FailedPreconditionError(
        absl::StrCat("the agreed cipher is ", SSL_CIPHER_standard_name(cipher)));
  }
  return absl::OkStatus();
}

}  // namespace tlsbridge::bench
