// A TLS client or server of BoringSSL's on memory, to talk to a Session without a socket.
//
// Thread: the test's. Owner: the test. Failure: the handshake is then not done.
#pragma once

#include <openssl/ssl.h>

#include <string>

#include "absl/functional/function_ref.h"

namespace tlsbridge::testing {

class MemoryPeer {
 public:
  // Takes ciphertext from the other end and goes on with the handshake, or reads.
  void Receive(const std::string& ciphertext);
  void Send(const std::string& plaintext);
  void SendCloseNotify();
  void SendAlert(uint8_t alert);

  // What is to go to the other end; empties it.
  std::string TakeOutput();

  bool handshake_done() const { return handshake_done_; }
  const std::string& received() const { return received_; }
  bool close_notify_received() const;
  int alert_received() const { return alert_received_; }
  SSL* ssl() { return ssl_.get(); }

 protected:
  explicit MemoryPeer(bssl::UniquePtr<SSL_CTX> ctx);
  MemoryPeer(const MemoryPeer&) = delete;
  MemoryPeer& operator=(const MemoryPeer&) = delete;

  // Makes ssl_, once the context is as it shall be.
  void Open();
  void Proceed();

  bssl::UniquePtr<SSL_CTX> ctx_;
  bssl::UniquePtr<SSL> ssl_;

 private:
  std::string received_;
  bool handshake_done_ = false;
  bool handshake_failed_ = false;
  int alert_received_ = -1;
};

class MemoryClient : public MemoryPeer {
 public:
  // `configure` may change the context before the session is made; `resume` is offered to the
  // server; `server_name` may be null.
  explicit MemoryClient(
      uint16_t version, absl::FunctionRef<void(SSL_CTX*)> configure = [](SSL_CTX*) {},
      SSL_SESSION* resume = nullptr, const char* server_name = "orders.internal");
};

// Makes its hello two bytes longer for each of so many protocols.
void OfferProtocols(SSL_CTX* ctx, size_t count);

class MemoryServer : public MemoryPeer {
 public:
  // What servers share, tickets above all.
  static bssl::UniquePtr<SSL_CTX> Context(uint16_t version, X509* certificate, EVP_PKEY* key);

  explicit MemoryServer(SSL_CTX* ctx);
};

}  // namespace tlsbridge::testing
