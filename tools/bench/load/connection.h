// One connection from the load generator to the proxy: dials, makes the handshake, lets the mode
// speak, and ends in order. Each mode derives its own.
#pragma once

#include <memory>
#include <optional>

#include "absl/strings/string_view.h"
#include "tools/bench/load/load_context.h"
#include "tools/bench/load/stream.h"
#include "tools/bench/net/poller.h"

namespace tlsbridge::bench {

class Connection : public FdHandler {
 public:
  // `context` outlives the connection.
  explicit Connection(LoadContext& context) : context_(context) {}
  virtual ~Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // REQUIRES: closed(). With `resume`, the newest ticket is offered, and must be taken.
  void Open(bool resume = false);
  // Says close_notify and FIN, and waits for the proxy's FIN; no byte may come before it. REQUIRES:
  // open().
  void Close();

  bool open() const { return state_ == State::kOpen; }
  bool closed() const { return state_ == State::kClosed; }

  void OnReady(uint32_t epoll_events) final;

 protected:
  // The handshake has been made.
  virtual void OnOpen() {}
  // While open: moves bytes until the stream blocks. Must read until it does, since readiness is
  // told only once.
  virtual void Advance() = 0;
  // The connection is closed, in order or not; it may be opened again.
  virtual void OnClosed(bool in_order) = 0;

  // What the stream says, except that an error has already been counted and the connection closed:
  // then empty. Zero means blocked. An end of the peer's direction is an error here.
  std::optional<size_t> Read(absl::Span<char> into);
  std::optional<size_t> Write(absl::string_view bytes);
  // For those who expect the end.
  IoResult ReadRaw(absl::Span<char> into) { return stream_->Read(into); }
  // Counts the error and closes at once.
  void Fail(ErrorKind kind, absl::string_view detail);
  void FailOn(IoStatus verdict);

  LoadContext& context_;

 private:
  enum class State { kClosed, kConnecting, kHandshaking, kOpen, kClosing };

  void FinishConnecting();
  void ContinueHandshake();
  void AwaitEnd();
  void Shut(bool in_order);

  State state_ = State::kClosed;
  bool resume_ = false;
  std::unique_ptr<Stream> stream_;
  SSL* ssl_ = nullptr;  // Of `stream_`; null when plain.
};

}  // namespace tlsbridge::bench
