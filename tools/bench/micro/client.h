// A TLS 1.3 client of BoringSSL's on memory, for what is measured to talk to.
//
// Thread: one. Owner: the benchmark. Failure: a handshake that is never done, which the benchmark
// sees at its session.
#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdint.h>

#include <string>

#include "absl/types/span.h"

namespace tlsbridge::micro {

class Client {
 public:
  Client() : ctx_(SSL_CTX_new(TLS_method())) {
    SSL_CTX_set_min_proto_version(ctx_.get(), TLS1_3_VERSION);
    SSL_CTX_set_custom_verify(ctx_.get(), SSL_VERIFY_NONE,
                              [](SSL*, uint8_t*) { return ssl_verify_ok; });
    ssl_.reset(SSL_new(ctx_.get()));
    SSL_set_tlsext_host_name(ssl_.get(), "orders.internal");
    SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));  // takes both
    BIO_set_mem_eof_return(SSL_get_rbio(ssl_.get()), -1);
    SSL_set_connect_state(ssl_.get());
    Receive({});
  }

  // Goes on with the handshake.
  void Receive(absl::Span<const uint8_t> ciphertext) {
    BIO_write(SSL_get_rbio(ssl_.get()), ciphertext.data(), static_cast<int>(ciphertext.size()));
    SSL_do_handshake(ssl_.get());
    ERR_clear_error();
  }

  void Send(absl::Span<const uint8_t> plaintext) {
    SSL_write(ssl_.get(), plaintext.data(), static_cast<int>(plaintext.size()));
  }

  // What is to go to the server; empties it.
  std::string TakeOutput() {
    const uint8_t* data = nullptr;
    size_t length = 0;
    BIO* const out = SSL_get_wbio(ssl_.get());
    BIO_mem_contents(out, &data, &length);
    std::string bytes(reinterpret_cast<const char*>(data), length);
    BIO_reset(out);
    return bytes;
  }

 private:
  bssl::UniquePtr<SSL_CTX> ctx_;
  bssl::UniquePtr<SSL> ssl_;
};

}  // namespace tlsbridge::micro
