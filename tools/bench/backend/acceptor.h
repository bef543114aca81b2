// Accepts every connection that waits and hands it on.
#pragma once

#include <functional>
#include <utility>

#include "tools/bench/net/poller.h"
#include "tools/bench/net/socket.h"

namespace tlsbridge::bench {

class Acceptor final : public FdHandler {
 public:
  // `poller` outlives the acceptor.
  Acceptor(Poller& poller, Socket listener, std::function<void(Socket)> on_accept)
      : listener_(std::move(listener)), on_accept_(std::move(on_accept)) {
    poller.Add(listener_.fd(), this);
  }

  void OnReady(uint32_t) override {
    for (Socket socket = listener_.Accept(); socket.valid(); socket = listener_.Accept()) {
      on_accept_(std::move(socket));
    }
  }

 private:
  Socket listener_;
  std::function<void(Socket)> on_accept_;
};

}  // namespace tlsbridge::bench
