// The client's end of one connection: TLS, or plain bytes for the floor. Non-blocking.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "tools/bench/net/protocol.h"
#include "tools/bench/net/socket.h"

namespace tlsbridge::bench {

class Stream {
 public:
  explicit Stream(Socket socket) : socket_(std::move(socket)) {}
  virtual ~Stream() = default;

  // kOk once application bytes may go; kBlocked: call again when ready.
  virtual IoStatus Handshake() = 0;
  // kEnd only after a clean end: close_notify where there is TLS.
  virtual IoResult Read(absl::Span<char> into) = 0;
  // After kBlocked the same bytes must be offered again.
  virtual IoResult Write(absl::string_view bytes) = 0;
  // Says that nothing more will be written: close_notify where there is TLS, then FIN. Reading goes
  // on.
  virtual IoStatus EndWriting() = 0;
  // What the last kFailed was about.
  virtual std::string FailureDetail() const = 0;

  Socket& socket() { return socket_; }

 protected:
  Socket socket_;
};

class PlainStream final : public Stream {
 public:
  using Stream::Stream;
  IoStatus Handshake() override { return IoStatus::kOk; }
  IoResult Read(absl::Span<char> into) override { return socket_.Receive(into); }
  IoResult Write(absl::string_view bytes) override { return socket_.Send(bytes); }
  IoStatus EndWriting() override {
    socket_.ShutdownWrite();
    return IoStatus::kOk;
  }
  std::string FailureDetail() const override { return "socket error"; }
};

// Plain bytes behind a ClientHello, for proxies that route by it and pass everything on. The
// benchmark's backend throws it away.
class HelloStream final : public Stream {
 public:
  explicit HelloStream(Socket socket) : Stream(std::move(socket)), left_(ClientHelloRecord()) {}
  IoStatus Handshake() override {
    while (!left_.empty()) {
      const IoResult result = socket_.Send(left_);
      if (result.verdict != IoStatus::kOk) return result.verdict;
      left_.remove_prefix(result.bytes);
    }
    return IoStatus::kOk;
  }
  IoResult Read(absl::Span<char> into) override { return socket_.Receive(into); }
  IoResult Write(absl::string_view bytes) override { return socket_.Send(bytes); }
  IoStatus EndWriting() override {
    socket_.ShutdownWrite();
    return IoStatus::kOk;
  }
  std::string FailureDetail() const override { return "socket error"; }

 private:
  absl::string_view left_;
};

}  // namespace tlsbridge::bench
