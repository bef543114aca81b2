// One connection of the relay: two sockets, and the bytes that go between them as they are.
//
// It exists to show what a proxy costs before any TLS: the floor under every other program's
// figures.
#pragma once

#include <functional>
#include <string>

#include "tools/bench/net/poller.h"
#include "tools/bench/net/socket.h"

namespace tlsbridge::bench {

class RelayConnection {
 public:
  // `poller` outlives the connection. `on_closed` is called once, from a readiness event; the
  // connection must be deleted only after the poller's turn, since the other socket's event may
  // follow in the same turn.
  RelayConnection(Poller& poller, Socket client, Socket backend,
                  std::function<void(RelayConnection*)> on_closed);

 private:
  struct Side final : public FdHandler {
    void OnReady(uint32_t epoll_events) override;
    RelayConnection* owner = nullptr;
    Socket socket;
    std::string pending;  // Bytes for this socket that it has not taken yet.
    bool read_ended = false;
  };

  void Pump();
  void PumpDirection(Side& from, Side& to);
  void Close();

  Side client_;
  Side backend_;
  std::function<void(RelayConnection*)> on_closed_;
};

}  // namespace tlsbridge::bench
