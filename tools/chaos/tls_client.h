// The client's end of a TLS session, without a socket: raw bytes in, raw bytes out. Its TLS is
// BoringSSL's own client, apart from the code under test.
//
// Thread: one. TlsClientContext outlives its TlsClients. Failure: noted, for the caller to look at.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "tools/chaos/record_forge.h"

namespace tlsbridge::chaos {

// What the clients of one program and one version share: the newest ticket.
class TlsClientContext {
 public:
  explicit TlsClientContext(bool tls13);
  TlsClientContext(const TlsClientContext&) = delete;
  TlsClientContext& operator=(const TlsClientContext&) = delete;

 private:
  friend class TlsClient;
  bssl::UniquePtr<SSL_CTX> ctx_;
  bssl::UniquePtr<SSL_SESSION> ticket_;
};

class TlsClient {
 public:
  // Of one record.
  static constexpr size_t kMostPlaintextBytes = 16384;

  TlsClient(TlsClientContext* context, bool resume);
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  // Takes what the socket received and appends the plaintext in it.
  void Receive(absl::string_view raw, std::string* plaintext);
  // One record. REQUIRES: handshake_done().
  void Send(absl::string_view plaintext);
  void SendCloseNotify();
  void SendKeyUpdate(bool request_answer);
  // From now on Send and SendCloseNotify write forged records. Null where that cannot be.
  RecordForge* Forge();
  // Puts bytes on the wire as they are.
  void SendRaw(absl::string_view bytes) { output_.append(bytes.data(), bytes.size()); }

  // What shall go on the wire.
  std::string& output() { return output_; }

  bool handshake_done() const { return handshake_done_; }
  bool close_notify_received() const { return close_notify_received_; }
  // The fatal alert that the program sent; -1 for none.
  int alert_received() const { return alert_received_; }
  // What this end found wrong with what the program sent; not an alert. Empty: nothing.
  const std::string& complaint() const { return complaint_; }

 private:
  static void OnInfo(const SSL* ssl, int type, int value);
  void Advance(std::string* plaintext);
  void MoveOut();
  void Note(int result);

  bssl::UniquePtr<SSL> ssl_;
  std::unique_ptr<RecordForge> forge_;
  std::string secret_;
  std::string output_;
  std::string complaint_;
  bool handshake_done_ = false;
  bool failed_ = false;
  bool close_notify_received_ = false;
  int alert_received_ = -1;
};

}  // namespace tlsbridge::chaos
