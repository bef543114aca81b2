// A worker's connections on a test's own loop: real sockets, a clock that the test turns.
//
// The clock moves only by Advance() and, where a test asks for it, a millisecond a turn while it
// waits. TearDown asserts that nothing is left alive.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "bridge/event/clock.h"
#include "bridge/event/event_loop.h"
#include "bridge/worker_memory.h"
#include "gtest/gtest.h"
#include "router/config/config.h"
#include "router/connections/connection_manager.h"
#include "router/handshakes/handshake_limit.h"
#include "router/limits/admission.h"
#include "router/listeners/listener.h"
#include "router/live/live_config.h"
#include "tests/support/peer.h"
#include "tests/support/tls_peer.h"

namespace tlsbridge::testing {

class RouterFixture : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  // Change config_ and route_ before this. The backend is backend_, unless the test has set
  // backend_address_.
  void StartRouter();
  // The acceptors and connections of the router are gone after this; TearDown calls it.
  void StopRouter();

  std::unique_ptr<Peer> ConnectClient();
  std::unique_ptr<TlsPeer> ConnectTls(const TlsPeer::Options& options = {});
  // A TLS client and the backend's end of its bridge, both ready.
  void ConnectThrough(const TlsPeer::Options& options = {});

  // Turns the loop and steps the peers until `condition` holds. Fails after 10 s of the
  // processor's time. REQUIRES: peers outside client_ and backend_peer_ are stepped by the
  // condition itself.
  [[nodiscard]] bool Until(absl::FunctionRef<bool()> condition);
  // The same, while the fake clock moves a millisecond a turn: for what waits for the peer's
  // kernel.
  [[nodiscard]] bool UntilWithTime(absl::FunctionRef<bool()> condition);
  // Turns the loop until nothing more happens.
  void Settle();
  // Moves the clock and lets what is due happen.
  void Advance(absl::Duration by);
  // As if the process had been stopped for so long.
  void Stall(absl::Duration by);

  // How often connections have ended for `reason`, and sides.
  uint64_t Ended(TerminationReason reason) const;
  uint64_t EndedSide(Side side, TerminationReason reason) const;
  // Asserts that just one connection has ended, and how.
  void ExpectOneEnd(TerminationReason reason, TerminationReason incoming,
                    TerminationReason outgoing);
  size_t live_connections() const { return manager_->GetConnectionCount(); }
  // All live records as JSON objects, separated by commas; and what stalled peers have not taken.
  std::string DumpRecords() const;
  size_t QueuedBytes() const;

  ManualClock clock_;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<ListeningPeer> backend_;
  Config config_ = WithOneRoute();  // a few more may be added
  Route& route_ = config_.routes.front();
  SocketAddress backend_address_;
  std::shared_ptr<const tls::ServerContext> tls_;
  // Of the first routes, where they have others.
  std::vector<std::shared_ptr<const tls::ServerContext>> route_tls_;
  std::shared_ptr<const tls::BackendContext> backend_tls_;  // of routes that encrypt anew
  int64_t budget_ = 10000;                  // connections that descriptors and memory allow
  std::shared_ptr<const LiveConfig> live_;  // as StartRouter() has it served
  std::unique_ptr<Admission> admission_;
  std::unique_ptr<HandshakeLimit> handshake_limit_;
  FailureFolder folder_;
  WorkerMemory memory_;
  std::unique_ptr<ConnectionManager> manager_;
  std::unique_ptr<ListeningSocket> listener_;
  std::unique_ptr<Acceptor> acceptor_;
  std::unique_ptr<TlsPeer> client_;
  std::unique_ptr<Peer> backend_peer_;

 private:
  static Config WithOneRoute();
  bool TurnUntil(absl::FunctionRef<bool()> condition, absl::Duration time_a_turn);
  void StepPeers();
};

// The development certificate for localhost, made once.
std::shared_ptr<const tls::ServerContext> TestServerContext();

}  // namespace tlsbridge::testing
