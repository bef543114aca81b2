// A TLS client with blocking calls that have deadlines: for what no program in Debian can be made
// to do, such as to end its half of the stream and go on reading.
//
// Its TLS is BoringSSL's own client, apart from the code under test. One thread at a time; a
// movable value. Every failure is a status; how the other end's stream ended is end().

#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tests/e2e/harness/socket.h"

namespace tlsbridge::e2e {

enum class TlsEnd { kOpen, kCloseNotify, kFin, kReset, kAlert };

struct TlsClientOptions {
  int version = 0;  // 0: any
  std::string server_name = "localhost";
  std::string ciphers;  // of TLS 1.2
  std::string alpn;     // one protocol; none if empty
  std::string source;   // the IP address to come from; the kernel's choice if empty
};

class TlsClient {
 public:
  // Only connects; the ClientHello leaves with the handshake. Certificates are not verified.
  static absl::StatusOr<TlsClient> Connect(absl::string_view address,
                                           const TlsClientOptions& options = {});
  // Connects and shakes hands.
  static absl::StatusOr<TlsClient> Open(absl::string_view address,
                                        const TlsClientOptions& options = {});

  absl::Status Handshake();
  // Begins to shake hands, and leaves it at that.
  absl::Status SendClientHello();
  absl::Status Write(absl::string_view plaintext);
  // Empty at the end of the stream, however it came: see end().
  absl::StatusOr<std::string> ReadSome();
  // An end before `bytes` bytes is an error.
  absl::StatusOr<std::string> ReadExactly(size_t bytes);
  absl::StatusOr<std::string> ReadToEnd();

  // Ends this half; reading goes on.
  absl::Status SendCloseNotify();

  TlsEnd end() const { return state_->end; }
  // The fatal alert that was received; -1 for none.
  int alert() const { return state_->alert; }
  Socket& socket() { return state_->socket; }
  SSL* ssl() { return state_->ssl.get(); }

 private:
  // Its address is BoringSSL's application data.
  struct State {
    explicit State(Socket s) : socket(std::move(s)) {}
    Socket socket;
    bssl::UniquePtr<SSL_CTX> ctx;
    bssl::UniquePtr<SSL> ssl;
    TlsEnd end = TlsEnd::kOpen;
    int alert = -1;
    std::string read_ahead;  // plaintext behind what ReadExactly() was asked for
  };

  explicit TlsClient(std::unique_ptr<State> state) : state_(std::move(state)) {}
  absl::Status Flush();
  // Gives BoringSSL what arrives next. False at the end of the stream.
  absl::StatusOr<bool> Fill();
  static void OnInfo(const SSL* ssl, int type, int value);

  std::unique_ptr<State> state_;
};

}  // namespace tlsbridge::e2e
