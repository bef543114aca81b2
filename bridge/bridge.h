// The bridge: a client's socket and a backend's, joined so that bytes, ends of streams and failures
// pass from each to the other.
//
// peeking -> handshaking | passthrough -> connecting -> bridging -> half-closed -> draining ->
// closed. It knows no route and no configuration. What it finds out goes up through its Observer;
// when it has come to an end it reports the reason (once) and goes on living until its owner says
// how both sockets shall end.
//
// Thread: the worker's. Owner: the connection's record in the router, which destroys it after
// OnClosed has unwound. The loop, the memory and the observer outlive it. Failure: reported as an
// End, never by return value.
#pragma once

#include <stdint.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bridge/bridge_options.h"
#include "bridge/bridge_state.h"
#include "bridge/counter.h"
#include "bridge/ending.h"
#include "bridge/endpoint.h"
#include "bridge/event/event_loop.h"
#include "bridge/event/timer.h"
#include "bridge/race_dialer.h"
#include "bridge/socket_address.h"
#include "bridge/termination_reason.h"
#include "bridge/worker_memory.h"
#include "tls/alert_record.h"
#include "tls/client_session.h"
#include "tls/failure.h"
#include "tls/session.h"

namespace tlsbridge {

// How a bridge came to its end: the reason of the whole, and of each side.
struct End {
  TerminationReason reason = TerminationReason::kNone;
  TerminationReason incoming = TerminationReason::kNone;
  TerminationReason outgoing = TerminationReason::kNone;
  int error = 0;         // errno, where a socket failed
  tls::Failure failure;  // where TLS failed
  uint8_t alert = 0;     // what a client that was refused before its handshake is told; 0: nothing

  static End OfBoth(TerminationReason reason, int error = 0) {
    return {reason, reason, reason, error, {}, 0};
  }
};

class Bridge final : private Endpoint::Owner {
 public:
  class Observer {
   public:
    // The client's next bytes, while peeking. Terminate(), AwaitTurn(), PassThrough(), Cleanup() or
    // nothing is due before this returns. Returns what is to be given to the session, or passed
    // through: all bytes so far but those that were for the observer alone; ignored while peeking
    // goes on.
    virtual absl::Span<const uint8_t> OnFirstBytes(absl::Span<const uint8_t> bytes) = 0;
    // The client's handshake can go on, which may cost a signature: StepHandshake() is due, now or
    // later.
    virtual void OnHandshakeInput() = 0;
    // A step of the handshake has left it to the client, who owes us bytes: OnHandshakeInput()
    // follows when they come. Not while a signature is awaited, which is ours to make.
    virtual void OnClientsTurn() = 0;
    // The client is ready to be served: ConnectBackend() or Cleanup() is due, now or later.
    virtual void OnClientReady() = 0;
    virtual void OnBackendConnected() = 0;
    // The backend's first byte has come; nothing is due.
    virtual void OnFirstAnswer() = 0;
    // The dialled backend cannot be reached: dial another, or Cleanup().
    // `failure` says why where `error` is 0.
    virtual void OnConnectFailed(int error, const tls::Failure& failure) = 0;
    // One peer has ended its stream; the other goes on.
    virtual void OnHalfClosed() = 0;
    // The bridge is at its end; Cleanup() is due. At most once, and not after Cleanup().
    virtual void OnEnded(const End& end) = 0;
    // Both sockets are gone. The last call.
    virtual void OnClosed() = 0;

   protected:
    ~Observer() = default;
  };

  // Takes over the accepted `client_fd`, and peeks. `options` must outlive the bridge.
  Bridge(int client_fd, const BridgeOptions* options, Observer* observer, EventLoop* loop,
         WorkerMemory* memory);
  ~Bridge();
  Bridge(const Bridge&) = delete;
  Bridge& operator=(const Bridge&) = delete;

  // Ends peeking: the client's TLS ends here; OnClientReady follows when the handshake has.
  void Terminate(std::unique_ptr<tls::ClientSession> tls);
  // In OnFirstBytes: the client is understood, and its first bytes are kept. Terminate() and
  // StepHandshake() follow in their turn.
  void AwaitTurn() { Enter(BridgeStep::kAwaitingTurn); }
  // False, and the end is reported, if a client that awaits its turn has left meanwhile.
  bool ClientStays();
  // Goes on with the handshake.
  void StepHandshake();

  // Ends peeking: the client's bytes pass through untouched. Calls OnClientReady.
  void PassThrough();

  // Gives up the backend that is being dialled: OnConnectFailed(ETIMEDOUT) is called.
  // REQUIRES: state kConnecting.
  void AbandonBackend();

  // Other ones than those it was made with. They must outlive it, too.
  void set_options(const BridgeOptions* options) { options_ = options; }
  // Where its bytes are counted as well, from now on. It must outlive the bridge.
  void set_traffic(Traffic* traffic) { traffic_ = traffic; }

  // Dials `addresses`, all of one backend, in the manner of RFC 8305, and speaks TLS to it if there
  // is a session. OnBackendConnected or OnConnectFailed follows in a later turn. What the client
  // sent meanwhile is kept for it, up to the mark. `preamble` goes ahead of everything, in the
  // clear. REQUIRES: one address at least.
  void ConnectBackend(absl::Span<const SocketAddress> addresses,
                      std::unique_ptr<tls::Session> tls = nullptr, absl::string_view preamble = {});

  // Unpipes both sides and ends each as told: gracefully at first, by force after the grace.
  // OnClosed follows, perhaps before this returns. The first call wins. `alert` is what a client
  // gets that was never answered, if its ending is an alert.
  void Cleanup(Endings endings, uint8_t alert = tls::kInternalErrorAlert);

  // The grace is over, whatever was told before. REQUIRES: Cleanup() has been called.
  void CloseNow();

  // While bytes are queued: whether a peer has taken any since the last look, or may have. A slow
  // peer empties its kernel's buffers and ours for minutes, of which no callback tells.
  bool LookForProgress();
  void NoteActivity() { last_activity_ = loop_->now(); }

  // Why it cannot begin: an errno; 0 if it can. Cleanup() is due otherwise.
  int error() const { return incoming_.error(); }
  BridgeState state() const { return StateOf(step_); }
  bool backend_connected() const {
    return outgoing_ != nullptr &&
           (outgoing_->tls() == nullptr || outgoing_->tls()->handshake_done());
  }
  // Which of the addresses that were dialled last has answered. REQUIRES: one has.
  size_t answered() const { return answered_; }
  absl::Time last_activity() const { return last_activity_; }
  // Which side's bytes moved last.
  Side last_sender() const { return last_sender_; }
  uint64_t bytes_received() const { return bytes_[0]; }  // from the client
  uint64_t bytes_sent() const { return bytes_[1]; }      // to the client
  size_t dropped_bytes() const { return dropped_bytes_; }
  size_t queued_to_client() const { return incoming_.queued_bytes(); }
  size_t queued_to_backend() const {
    return early_bytes().size() + (outgoing_ ? outgoing_->queued_bytes() : 0);
  }
  // A peer has sent the beginning of a record.
  bool amid_record() const;
  const tls::ClientSession* client_tls() const {
    return static_cast<const tls::ClientSession*>(incoming_.tls());  // by Terminate()
  }
  const tls::Session* backend_tls() const {
    return outgoing_ == nullptr ? nullptr : outgoing_->tls();
  }
  const Endpoint& incoming() const { return incoming_; }
  const Endpoint* outgoing() const { return outgoing_.get(); }
  // When sockets that are being closed are destroyed; infinite before Cleanup().
  absl::Time closing_deadline() const {
    return closing_ == nullptr ? absl::InfiniteFuture() : closing_->deadline;
  }

 private:
  // Needed only until there is a backend.
  struct Opening {
    std::string first_bytes;  // what a handshake begins with, until its turn
    std::string early_bytes;  // the client's, while there is no backend that takes them
    std::string preamble;     // ahead of all, for the backend that is being dialled
    std::unique_ptr<tls::Session> backend_tls;  // likewise, until there is a socket
    std::unique_ptr<RaceDialer> race;
  };

  // Needed only while the sockets are being closed.
  struct Closing {
    Closing(EventLoop* loop, absl::AnyInvocable<void()> on_expiry)
        : timer(loop, std::move(on_expiry)) {}
    Timer timer;
    absl::Time deadline;
    absl::Duration next_look;
  };

  // One peer has failed; what it had sent is still on its way to the other. The end waits for that.
  struct Rest {
    Rest(EventLoop* loop, absl::AnyInvocable<void()> on_expiry)
        : timer(loop, std::move(on_expiry)) {}
    End end;
    Side served = Side::kIncoming;
    bool cut = false;  // what is on its way is all that will come, and was not all that was due
    bool impatient = false;  // it is waited for only while it is taken
    Timer timer;
    absl::Duration next_look = absl::Milliseconds(1);
    uint64_t taken = 0;
    absl::Time taken_at;
  };

  // Checks, behind each event, that what the bridge holds is legal.
  class Event;

  void OnReadable(Endpoint& endpoint) override;
  void OnDrained(Endpoint& to) override;
  void OnWriteError(Endpoint& to, int error) override;
  void OnHangup(Endpoint& endpoint, int error) override;
  void OnClosed(Endpoint& endpoint) override;

  bool ended() const { return step_ >= BridgeStep::kEnded; }
  void Enter(BridgeStep step);
  BridgeParts parts() const;
  const std::string& early_bytes() const;
  Opening& opening();
  Endpoint* OtherThan(const Endpoint& endpoint);

  bool Peek(Read* read);
  void ContinueSigned();
  void GoOnWith(const std::string& bytes);
  void TellWhoseTurn();
  void KeepFirstBytes(const Read& read);
  void LeftEarly(int error);

  void OnDialled(const RaceDialer::Result& result);
  void AdoptBackend(const RaceDialer::Result& result);
  void BackendReady();
  void FailedToConnect(int error, const tls::Failure& failure = {});
  void ServeLate(const RaceDialer::Result& result);

  void Resume(Endpoint& endpoint, Endpoint::Pause why);
  void PauseUntilTurn();
  // Reads no more from it until the other side has taken what is queued.
  void PauseUntilTaken(Endpoint& from);
  size_t QueuedFrom(const Endpoint& from);
  size_t MarkFor(const Endpoint& from) const;
  void PumpFrom(Endpoint& from);
  Endpoint* MovesTo(Endpoint& from);
  bool Move(Endpoint& from, Endpoint* to, size_t limit, Read* read);
  bool Take(Endpoint& from, const Read& read);
  bool AdvanceHandshake(Endpoint& from, const Read& read);
  void NoteBytes(const Endpoint& from, size_t bytes);
  bool Deliver(Endpoint& from, absl::Span<const uint8_t> bytes);
  bool ReadOn(Endpoint& from, const Read& read);
  void StreamEnded(Endpoint& from);
  bool WouldBeLast(const Endpoint& endpoint);
  bool AwaitsAnswer() const;
  bool HasLeftInOrder(const Endpoint& endpoint) const;
  void LetGo(Endpoint& endpoint);
  void CheckEnd();

  void OnError(Endpoint& endpoint, int error);
  void FailedTls(Endpoint& from);
  void ServeRest(Side served, const End& end, bool cut, bool impatient = false);
  void CutShort();
  void CheckRest();
  void ReportEnd(const End& end);

  void ScheduleClosing();
  void OnClosingTimer();
  void CloseIfDone();

  EventLoop* const loop_;         // Not owned.
  WorkerMemory* const memory_;    // Not owned.
  const BridgeOptions* options_;  // Not owned.
  Observer* const observer_;      // Not owned.
  Endpoint incoming_;
  std::unique_ptr<Endpoint> outgoing_;
  std::unique_ptr<Opening> opening_;
  std::unique_ptr<Rest> rest_;
  std::unique_ptr<Closing> closing_;
  absl::Time last_activity_;
  absl::Time last_look_ = absl::InfinitePast();
  size_t undelivered_ = 0;      // at last_look_
  uint64_t bytes_[2] = {0, 0};  // by the side that sent them
  Traffic* traffic_ = nullptr;  // Not owned; null for none.
  size_t dropped_bytes_ = 0;
  BridgeStep step_ = BridgeStep::kPeeking;
  Streams streams_ = Streams::kBothOpen;
  Side last_sender_ = Side::kIncoming;
  bool greeted_ = false;                   // the client has sent something
  bool tiny_records_[2] = {false, false};  // by the side that sent them last
  bool moves_[2] = {false, false};         // by the side that sends: see MovesTo()
  uint16_t answered_ = 0;
};

}  // namespace tlsbridge
