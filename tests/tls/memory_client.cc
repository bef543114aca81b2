#include "tests/tls/memory_client.h"

#include <openssl/bio.h>
#include <openssl/err.h>

#include <utility>

namespace tlsbridge::testing {

MemoryPeer::MemoryPeer(bssl::UniquePtr<SSL_CTX> ctx) : ctx_(std::move(ctx)) {}

void MemoryPeer::Open() {
  SSL_CTX_set_info_callback(ctx_.get(), [](const SSL* ssl, int type, int value) {
    if (type == SSL_CB_READ_ALERT && (value >> 8) == SSL3_AL_FATAL) {
      static_cast<MemoryPeer*>(SSL_get_app_data(ssl))->alert_received_ = value & 0xff;
    }
  });
  ssl_.reset(SSL_new(ctx_.get()));
  SSL_set_app_data(ssl_.get(), this);
  SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  BIO_set_mem_eof_return(SSL_get_rbio(ssl_.get()), -1);
}

MemoryClient::MemoryClient(uint16_t version, absl::FunctionRef<void(SSL_CTX*)> configure,
                           SSL_SESSION* resume, const char* server_name)
    : MemoryPeer(bssl::UniquePtr<SSL_CTX>(SSL_CTX_new(TLS_method()))) {
  SSL_CTX_set_min_proto_version(ctx_.get(), version);
  SSL_CTX_set_max_proto_version(ctx_.get(), version);
  SSL_CTX_set_custom_verify(ctx_.get(), SSL_VERIFY_NONE,
                            [](SSL*, uint8_t*) { return ssl_verify_ok; });
  configure(ctx_.get());
  Open();
  if (server_name != nullptr) SSL_set_tlsext_host_name(ssl_.get(), server_name);
  if (resume != nullptr) SSL_set_session(ssl_.get(), resume);
  SSL_set_connect_state(ssl_.get());
  Proceed();
}

bssl::UniquePtr<SSL_CTX> MemoryServer::Context(uint16_t version, X509* certificate, EVP_PKEY* key) {
  bssl::UniquePtr<SSL_CTX> ctx(SSL_CTX_new(TLS_method()));
  SSL_CTX_set_min_proto_version(ctx.get(), version);
  SSL_CTX_set_max_proto_version(ctx.get(), version);
  SSL_CTX_use_certificate(ctx.get(), certificate);
  SSL_CTX_use_PrivateKey(ctx.get(), key);
  return ctx;
}

void OfferProtocols(SSL_CTX* ctx, size_t count) {
  std::string wire;
  for (size_t i = 0; i < count; ++i) wire += "\x01\x61";
  SSL_CTX_set_alpn_protos(ctx, reinterpret_cast<const uint8_t*>(wire.data()),
                          static_cast<unsigned>(wire.size()));
}

MemoryServer::MemoryServer(SSL_CTX* ctx) : MemoryPeer(bssl::UpRef(ctx)) {
  Open();
  SSL_set_accept_state(ssl_.get());
}

void MemoryPeer::Proceed() {
  ERR_clear_error();
  if (!handshake_done_ && !handshake_failed_) {
    const int rc = SSL_do_handshake(ssl_.get());
    handshake_done_ = rc == 1;
    handshake_failed_ = rc != 1 && SSL_get_error(ssl_.get(), rc) != SSL_ERROR_WANT_READ;
  }
  if (handshake_done_) {
    char buffer[16384];
    int n;
    while ((n = SSL_read(ssl_.get(), buffer, sizeof(buffer))) > 0) {
      received_.append(buffer, static_cast<size_t>(n));
    }
  }
  ERR_clear_error();
}

void MemoryPeer::Receive(const std::string& ciphertext) {
  BIO_write(SSL_get_rbio(ssl_.get()), ciphertext.data(), static_cast<int>(ciphertext.size()));
  Proceed();
}

void MemoryPeer::Send(const std::string& plaintext) {
  SSL_write(ssl_.get(), plaintext.data(), static_cast<int>(plaintext.size()));
}

void MemoryPeer::SendCloseNotify() { SSL_shutdown(ssl_.get()); }

void MemoryPeer::SendAlert(uint8_t alert) { SSL_send_fatal_alert(ssl_.get(), alert); }

std::string MemoryPeer::TakeOutput() {
  const uint8_t* data;
  size_t length;
  BIO* out = SSL_get_wbio(ssl_.get());
  if (BIO_mem_contents(out, &data, &length) != 1) return {};
  std::string bytes(reinterpret_cast<const char*>(data), length);
  BIO_reset(out);
  return bytes;
}

bool MemoryPeer::close_notify_received() const {
  return (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0 && alert_received_ < 0;
}

}  // namespace tlsbridge::testing
