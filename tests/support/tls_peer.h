// A TLS client, or a server, under a test's control, on a Peer. Its TLS is BoringSSL's own, apart
// from the code under test.
//
// Thread: the test's. Owner: the test. Failure: noted, for the test to look at.
#pragma once

#include <openssl/ssl.h>
#include <stddef.h>

#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "tests/support/peer.h"

namespace tlsbridge::testing {

class TlsPeer {
 public:
  struct Options {
    uint16_t version = TLS1_3_VERSION;
    std::string server_name = "localhost";
    std::string ciphers;  // for TLS 1.2
    std::string groups;
    // The alert with which the client refuses the certificate; 0: it takes any.
    uint8_t certificate_alert = 0;
    // How many bytes may leave before Allow() is called, so that a flight is cut where a test
    // likes.
    size_t allowance = std::numeric_limits<size_t>::max();
    // Anything else about the client, before its session is made.
    std::function<void(SSL_CTX*)> configure = [](SSL_CTX*) {};
    SSL_SESSION* session = nullptr;  // to resume. Not owned.
    // Make it a server with this certificate. Not owned.
    X509* certificate = nullptr;
    EVP_PKEY* key = nullptr;
  };

  // A client's hello leaves at once. Certificates are not verified.
  TlsPeer(std::unique_ptr<Peer> socket, const Options& options);

  // Sends and receives what is possible now, through TLS and below.
  void Step();

  // Plaintext, sent once the handshake is done.
  void Send(const std::string& plaintext);
  void SendCloseNotify();
  // A fatal alert, as from a client that refuses something.
  void SendAlert(uint8_t alert);
  // Lets `bytes` more leave, now or as they come.
  void Allow(size_t bytes);
  size_t held_back() const { return held_back_.size(); }
  // What has been held back, which will not leave by itself any more.
  std::string TakeHeldBack() { return std::exchange(held_back_, {}); }

  bool handshake_done() const { return handshake_done_; }
  const std::string& received() const { return received_; }
  bool close_notify_received() const { return close_notify_received_; }
  // The fatal alert that the other end sent; -1 for none.
  int alert_received() const { return alert_received_; }
  Peer& socket() { return *socket_; }
  StreamEnd end() const { return socket_->end(); }
  SSL* ssl() { return ssl_.get(); }

 private:
  static void OnInfo(const SSL* ssl, int type, int value);
  static ssl_verify_result_t Verify(SSL* ssl, uint8_t* alert);
  void MoveOut();

  std::unique_ptr<Peer> socket_;
  bssl::UniquePtr<SSL_CTX> ctx_;
  bssl::UniquePtr<SSL> ssl_;
  const uint8_t certificate_alert_;
  size_t allowance_;
  std::string held_back_;
  std::string unsent_;
  std::string received_;
  bool handshake_done_ = false;
  bool handshake_failed_ = false;
  bool close_notify_wanted_ = false;
  bool close_notify_sent_ = false;
  bool close_notify_received_ = false;
  int alert_received_ = -1;
};

}  // namespace tlsbridge::testing
