// One client's connection: its record, its bridge, and the one timer that watches over both.
//
// It chooses a route when the ClientHello is whole, and a backend when the client is ready; it asks
// the ConnectionManager to end it, and ends only through InitiateCleanupOnce.
//
// Thread: the worker's. Owner: the ConnectionManager, which outlives it. Failure: reported as an
// End.
#pragma once

#include <memory>
#include <string>

#include "bridge/bridge.h"
#include "bridge/event/event_loop.h"
#include "bridge/event/timer.h"
#include "bridge/live_counters.h"
#include "bridge/worker_memory.h"
#include "router/connections/backend_attempts.h"
#include "router/connections/connection_record.h"
#include "router/connections/deadlines.h"
#include "router/connections/greeting.h"
#include "router/handshakes/handshake_limit.h"
#include "router/handshakes/handshake_queue.h"
#include "router/limits/admission.h"
#include "router/live/live_config.h"

namespace tlsbridge {

class ConnectionManager;

// While draining, how often to look for connections that have fallen idle, and how long makes one
// idle.
inline constexpr absl::Duration kDrainLook = absl::Milliseconds(100);
inline constexpr absl::Duration kDrainIdle = absl::Seconds(1);

class Connection final : public DeferredDeletable,
                         private Bridge::Observer,
                         private HandshakeQueue::Waiter,
                         private tls::Signer {
 public:
  // Takes over `fd`. `record` has its id, peer, listener, route and times.
  Connection(ConnectionManager* manager, std::shared_ptr<const LiveConfig> live,
             ConnectionRecord record, int fd, Admission::Token token, EventLoop* loop,
             WorkerMemory* memory);

  // Arms the timer for the next deadline, or acts on one that has come.
  void MeetDeadlines();
  void StopWatching();
  // Its sockets are gone: it no longer counts against limits.
  void ReleaseSlots();
  // Its route is gone: it ends when it falls idle, or when the time to drain has passed.
  void Retire();

  // The last byte went to the client, or none went at all, and nothing is under way: nobody waits
  // for an answer.
  bool IdleSince(absl::Time time) const;
  // What an end that is decided now would cut.
  Stage stage() const;

  ConnectionRecord& record() { return record_; }
  const ConnectionRecord& record() const { return record_; }
  Bridge& bridge() { return bridge_; }
  const Bridge& bridge() const { return bridge_; }
  // What ends it, and when, if nothing happens on it any more; or by when its sockets are gone.
  Deadline EndsBy() const;
  // Where what it does is counted: at its route, once it has one.
  RouteMetrics::Share& metrics() { return *metrics_; }
  // The address that serves it, or the first of the last one that was dialled; empty if none was.
  std::string backend() const;
  // Why its PROXY header is none; kNone otherwise.
  proxy_protocol::Malformed malformed_proxy_header() const {
    return greeting_ ? greeting_->malformed() : proxy_protocol::Malformed::kNone;
  }
  // What the client asked for; null before its ClientHello is whole, and once it is served.
  const Greeting::Offer* offer() const { return greeting_ ? greeting_->offer() : nullptr; }

 private:
  absl::Span<const uint8_t> OnFirstBytes(absl::Span<const uint8_t> bytes) override;
  void OnHandshakeInput() override;
  void OnClientsTurn() override;
  void OnClientReady() override;
  void OnBackendConnected() override;
  void OnFirstAnswer() override;
  void OnConnectFailed(int error, const tls::Failure& failure) override;
  void OnHalfClosed() override;
  void OnEnded(const End& end) override;
  void OnClosed() override;

  void TakeTurn() override;
  void Sign(std::shared_ptr<tls::SigningJob> job) override;

  void AwaitTurn(HandshakeQueue::Needs needs);
  bool TakeProxyHeader();
  void ChooseRoute(const tls::ClientHello& hello);
  void Enter(std::shared_ptr<const LiveRoute> route);
  void Refuse(TerminationReason reason, uint8_t alert, const tls::Failure& failure = {});
  bool NextBackend();
  void Dial();
  Progress progress() const;
  void WarnOfInactivity();
  void WithdrawWarningIfActive();
  // Too old, but not idle: true if it has some time left to become so.
  bool DrainsFirst();
  void TightenKeepalive();

  ConnectionManager* const manager_;  // Not owned.
  EventLoop* const loop_;             // Not owned.
  WorkerMemory* const memory_;        // Not owned.
  LiveCount live_record_;
  std::shared_ptr<const LiveConfig> live_;  // until a route is chosen
  // Never null; before the tokens, which its limits outlive.
  std::shared_ptr<const LiveRoute> route_;
  RouteMetrics::Share* metrics_;                 // of route_'s
  Admission::Token token_;                       // of the program
  Admission::Token route_token_;                 // of the route
  HandshakeLimit::Slot handshake_slot_;          // while the handshake waits for us
  std::unique_ptr<Greeting> greeting_;           // until the client is served
  std::shared_ptr<tls::SigningJob> unsigned_;    // while it waits for room at the signer
  const tls::Credential* credential_ = nullptr;  // in route_
  bool staple_ = false;                          // send its OCSP response
  bool verifiable_ = true;                       // ServerContext::Choice
  // The handshake is one that another thread signs for. All its steps then take turns with those of
  // its kind: to take what comes in between at once costs a wake-up each time, a seventh of all
  // that an RSA handshake costs, and it would be done no earlier.
  bool needs_signer_ = false;
  ConnectionRecord record_;
  BackendAttempts attempts_;
  Bridge bridge_;
  Timer timer_;
};

}  // namespace tlsbridge
