// One plaintext connection of the benchmark's backend: reads a command and carries it out.
//
// Owns itself: it is deleted at the end of the readiness event that ends it.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "tools/bench/net/poller.h"
#include "tools/bench/net/socket.h"

namespace tlsbridge::bench {

class BackendConnection final : public FdHandler {
 public:
  // `poller` outlives the connection.
  static void Start(Poller& poller, Socket socket);

  void OnReady(uint32_t epoll_events) override;

 private:
  enum class State {
    kCommand,   // The command is not whole yet.
    kEchoing,   // Everything goes back.
    kSourcing,  // The pattern is sent until `length_` bytes have gone.
    kSinking,   // `length_` bytes are taken and checked.
    kWaiting,   // All is said; only the peer's FIN is awaited.
    kClosed,
  };

  explicit BackendConnection(Socket socket) : socket_(std::move(socket)) {}

  // Each moves bytes until the socket blocks or the state changes.
  void Advance();
  void ReadOnce();
  void SourceUntilBlocked();
  void Take(absl::string_view bytes);
  void TakeCommand(absl::string_view bytes);
  // What is behind a TLS record; nothing while there may be more of it.
  absl::string_view BehindRecord(absl::string_view bytes);
  void Sink(absl::string_view bytes);
  // Sends now what the socket takes, and keeps the rest; nothing is read meanwhile.
  void Reply(absl::string_view bytes);
  bool FlushPending();

  Socket socket_;
  State state_ = State::kCommand;
  std::string header_;
  std::string record_header_;
  size_t record_left_ = 0;
  std::string pending_;
  uint64_t length_ = 0;
  uint64_t moved_ = 0;
  uint64_t matched_ = 0;
  bool blocked_ = false;
};

}  // namespace tlsbridge::bench
