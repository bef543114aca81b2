// A backend that sends back what it receives.
//
// Thread: one. Owner: the run; the world outlives it. Failure: Open() says why.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tools/chaos/socket.h"
#include "tools/chaos/world.h"

namespace tlsbridge::chaos {

class EchoConnection final : public Actor {
 public:
  EchoConnection(World* world, Socket socket) : socket_(std::move(socket)) {
    world->Watch(socket_.fd(), this);
  }
  void Step() override {
    if (!socket_.valid()) return;
    while (socket_.Receive(&waiting_, 1 << 16)) {
    }
    waiting_.erase(0, socket_.Send(waiting_));
    if (socket_.peer_end() != PeerEnd::kOpen) socket_.Close();
  }

 private:
  Socket socket_;
  std::string waiting_;
};

class EchoBackend final : public Actor {
 public:
  explicit EchoBackend(World* world) : world_(world) {}
  absl::Status Open() {
    absl::StatusOr<Socket> listener = Socket::Listen(4096, 0);
    if (!listener.ok()) return listener.status();
    listener_ = *std::move(listener);
    world_->Watch(listener_.fd(), this);
    return absl::OkStatus();
  }
  void Step() override {
    for (Socket socket = listener_.Accept(); socket.valid(); socket = listener_.Accept()) {
      connections_.push_back(std::make_unique<EchoConnection>(world_, std::move(socket)));
    }
  }
  bench::Address address() const { return listener_.LocalAddress(); }

 private:
  World* const world_;
  Socket listener_;
  std::vector<std::unique_ptr<EchoConnection>> connections_;
};

}  // namespace tlsbridge::chaos
