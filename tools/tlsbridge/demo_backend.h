// The demo's backend: a small HTTP server that answers with what it received.
//
// Thread: serves on one of its own from Start() until it dies. Owner: the demo. Failure: Start()
// returns a Status.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "bridge/socket_address.h"

namespace tlsbridge {

class DemoBackend {
 public:
  // Listens on a free port of 127.0.0.1.
  static absl::StatusOr<std::unique_ptr<DemoBackend>> Start();
  ~DemoBackend();

  const SocketAddress& address() const;

 private:
  struct Server;
  explicit DemoBackend(std::unique_ptr<Server> server);

  std::unique_ptr<Server> server_;
};

}  // namespace tlsbridge
