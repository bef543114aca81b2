// A TLS client over a non-blocking socket.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "tools/bench/load/stream.h"

namespace tlsbridge::bench {

class TlsStream final : public Stream {
 public:
  TlsStream(Socket socket, bssl::UniquePtr<SSL> ssl);

  IoStatus Handshake() override;
  IoResult Read(absl::Span<char> into) override;
  IoResult Write(absl::string_view bytes) override;
  IoStatus EndWriting() override;
  std::string FailureDetail() const override;

  SSL* ssl() { return ssl_.get(); }

 private:
  // The BIO under the session. It receives as much as the kernel has: BoringSSL itself would ask
  // for five bytes and then for the rest of each record, and the load generator must not be what
  // limits the rate.
  static const BIO_METHOD* BioMethod();
  static int BioRead(BIO* bio, char* into, int size);
  static int BioWrite(BIO* bio, const char* bytes, int size);

  IoStatus Interpret(int result);

  static constexpr size_t kReceiveBytes = 32 * 1024;

  bssl::UniquePtr<SSL> ssl_;
  std::unique_ptr<char[]> received_ = std::make_unique<char[]>(kReceiveBytes);
  size_t received_begin_ = 0;
  size_t received_end_ = 0;
  // How the socket answered the BIO last, for when BoringSSL says no more than "syscall".
  IoStatus socket_verdict_ = IoStatus::kOk;
};

}  // namespace tlsbridge::bench
