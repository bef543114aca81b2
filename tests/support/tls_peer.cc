#include "tests/support/tls_peer.h"

#include <openssl/bio.h>
#include <openssl/err.h>

#include <algorithm>
#include <utility>

#include "gtest/gtest.h"

namespace tlsbridge::testing {

TlsPeer::TlsPeer(std::unique_ptr<Peer> socket, const Options& options)
    : socket_(std::move(socket)),
      ctx_(SSL_CTX_new(TLS_method())),
      certificate_alert_(options.certificate_alert),
      allowance_(options.allowance) {
  SSL_CTX_set_min_proto_version(ctx_.get(), options.version);
  SSL_CTX_set_max_proto_version(ctx_.get(), options.version);
  if (!options.ciphers.empty()) SSL_CTX_set_cipher_list(ctx_.get(), options.ciphers.c_str());
  if (!options.groups.empty()) SSL_CTX_set1_groups_list(ctx_.get(), options.groups.c_str());
  if (options.certificate == nullptr) {
    SSL_CTX_set_custom_verify(ctx_.get(), SSL_VERIFY_PEER, &Verify);
  }
  SSL_CTX_set_info_callback(ctx_.get(), &OnInfo);
  options.configure(ctx_.get());
  ssl_.reset(SSL_new(ctx_.get()));
  SSL_set_app_data(ssl_.get(), this);
  SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  BIO_set_mem_eof_return(SSL_get_rbio(ssl_.get()), -1);
  if (options.certificate == nullptr) {
    SSL_set_tlsext_host_name(ssl_.get(), options.server_name.c_str());
    if (options.session != nullptr) SSL_set_session(ssl_.get(), options.session);
    SSL_set_connect_state(ssl_.get());
  } else {
    EXPECT_EQ(SSL_use_certificate(ssl_.get(), options.certificate), 1);
    EXPECT_EQ(SSL_use_PrivateKey(ssl_.get(), options.key), 1);
    SSL_set_accept_state(ssl_.get());
  }
  Step();
}

void TlsPeer::OnInfo(const SSL* ssl, int type, int value) {
  if (type == SSL_CB_READ_ALERT && (value >> 8) == SSL3_AL_FATAL) {
    static_cast<TlsPeer*>(SSL_get_app_data(ssl))->alert_received_ = value & 0xff;
  }
}

ssl_verify_result_t TlsPeer::Verify(SSL* ssl, uint8_t* alert) {
  *alert = static_cast<TlsPeer*>(SSL_get_app_data(ssl))->certificate_alert_;
  return *alert == 0 ? ssl_verify_ok : ssl_verify_invalid;
}

void TlsPeer::MoveOut() {
  const uint8_t* data;
  size_t length;
  BIO* out = SSL_get_wbio(ssl_.get());
  if (BIO_mem_contents(out, &data, &length) == 1 && length > 0) {
    held_back_.append(reinterpret_cast<const char*>(data), length);
    BIO_reset(out);
  }
  const size_t leaving = std::min(held_back_.size(), allowance_);
  if (leaving == 0) return;
  socket_->Send(held_back_.substr(0, leaving));
  held_back_.erase(0, leaving);
  if (allowance_ != std::numeric_limits<size_t>::max()) allowance_ -= leaving;
}

void TlsPeer::Allow(size_t bytes) {
  const size_t all = std::numeric_limits<size_t>::max();
  allowance_ = bytes > all - allowance_ ? all : allowance_ + bytes;
  MoveOut();
}

void TlsPeer::Step() {
  socket_->Step();
  const std::string arrived = socket_->TakeReceived();
  BIO_write(SSL_get_rbio(ssl_.get()), arrived.data(), static_cast<int>(arrived.size()));
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
    close_notify_received_ =
        (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0 && alert_received_ < 0;
    if (!unsent_.empty() && !close_notify_sent_) {
      const std::string plaintext = std::exchange(unsent_, {});
      SSL_write(ssl_.get(), plaintext.data(), static_cast<int>(plaintext.size()));
    }
    if (close_notify_wanted_ && !std::exchange(close_notify_sent_, true)) SSL_shutdown(ssl_.get());
  }
  ERR_clear_error();
  MoveOut();
}

void TlsPeer::Send(const std::string& plaintext) {
  unsent_ += plaintext;
  Step();
}

void TlsPeer::SendCloseNotify() {
  close_notify_wanted_ = true;
  Step();
}

void TlsPeer::SendAlert(uint8_t alert) {
  SSL_send_fatal_alert(ssl_.get(), alert);
  MoveOut();
}

}  // namespace tlsbridge::testing
