#include "bridge/bridge.h"

#include <errno.h>

#include <algorithm>
#include <utility>

#include "bridge/as_bytes.h"

namespace tlsbridge {
namespace {

// What one wake-up moves at most, so that one fast peer cannot keep the loop from the others. The
// socket stays readable, so that the rest follows in the next turn.
constexpr size_t kBytesPerTurn = 4 * Endpoint::kHighMarkOfBytes;

}  // namespace

const char* BridgeStateName(BridgeState state) {
  switch (state) {
    case BridgeState::kPeeking:
      return "peeking";
    case BridgeState::kHandshaking:
      return "handshaking";
    case BridgeState::kRouting:
      return "routing";
    case BridgeState::kConnecting:
      return "connecting";
    case BridgeState::kBridging:
      return "bridging";
    case BridgeState::kHalfClosed:
      return "half-closed";
    case BridgeState::kDraining:
      return "draining";
    case BridgeState::kClosed:
      return "closed";
  }
  return "closed";
}

Bridge::Bridge(int client_fd, const Options* options, Observer* observer, EventLoop* loop,
               WorkerMemory* memory)
    : loop_(loop),
      memory_(memory),
      options_(options),
      observer_(observer),
      incoming_(Side::kIncoming, client_fd, this, loop, memory),
      last_activity_(loop->now()),
      state_(BridgeState::kPeeking) {}

Bridge::~Bridge() = default;

// Null while there is no backend, or none yet that can take the client's bytes.
Endpoint* Bridge::OtherThan(const Endpoint& endpoint) {
  if (endpoint.side() == Side::kOutgoing) return &incoming_;
  const bool takes_bytes = outgoing_ != nullptr && (backend_ready_ || outgoing_->tls() == nullptr);
  return takes_bytes ? outgoing_.get() : nullptr;
}

// ---- Peeking.

void Bridge::Terminate(std::unique_ptr<tls::ClientSession> tls) {
  if (ended()) return;
  state_ = BridgeState::kHandshaking;
  tls->set_on_signed([this] { ContinueSigned(); });
  incoming_.StartTls(std::move(tls));
}

bool Bridge::ClientStays() {
  const bool held = (incoming_.pauses() & Endpoint::kAwaitsTurn) != 0;
  int error = 0;
  if (!ended() && held && incoming_.PeerHasLeft(&error)) LeftEarly(error);
  return !ended();
}

void Bridge::StepHandshake() {
  if (ended() || state_ != BridgeState::kHandshaking || !std::exchange(awaits_turn_, false)) return;
  incoming_.ResumeReading(Endpoint::kAwaitsTurn);
  if (first_bytes_.empty()) return PumpFrom(incoming_);
  GoOnWith(std::exchange(first_bytes_, {}));
}

void Bridge::ContinueSigned() {
  if (ended() || state_ != BridgeState::kHandshaking) return;
  incoming_.ResumeReading(Endpoint::kAwaitsTurn);
  GoOnWith({});
}

// With bytes that were read before their turn.
void Bridge::GoOnWith(const std::string& bytes) {
  Forward(incoming_, incoming_.Decrypt(AsBytes(bytes), Endpoint::Outcome::kDrained, /*error=*/0));
}

void Bridge::PassThrough() {
  if (ended()) return;
  state_ = BridgeState::kRouting;
  observer_->OnClientReady();
}

// False if there is nothing more to do with `read`; else it is what the client's bytes now stand
// for.
bool Bridge::Peek(Endpoint::Read* read) {
  using Outcome = Endpoint::Outcome;
  if (!read->plaintext.empty()) {
    greeted_ = true;
    read->plaintext = observer_->OnFirstBytes(read->plaintext);
    if (ended()) return false;
    if (awaits_turn_) {
      KeepFirstBytes(*read);
      return false;
    }
    if (state_ != BridgeState::kPeeking) {
      if (incoming_.tls() != nullptr) {
        *read = incoming_.Decrypt(read->plaintext, read->outcome, read->error);
      }
      return true;
    }
  }
  if (read->outcome == Outcome::kEnded || read->outcome == Outcome::kFailed) LeftEarly(read->error);
  return false;
}

void Bridge::KeepFirstBytes(const Endpoint::Read& read) {
  // One that has left already shall not cost a handshake.
  if (read.outcome == Endpoint::Outcome::kEnded || read.outcome == Endpoint::Outcome::kFailed) {
    return LeftEarly(read.error);
  }
  first_bytes_.assign(reinterpret_cast<const char*>(read.plaintext.data()), read.plaintext.size());
  observer_->OnHandshakeInput();
}

void Bridge::LeftEarly(int error) {
  End end = End::OfBoth(TerminationReason::kTlsHandshakeFailed, error);
  // One that sent nothing was a probe, however it left.
  end.failure.detail = greeted_ ? tls::FailureDetail::kClientGone : tls::FailureDetail::kTcpProbe;
  ReportEnd(end);
}

// ---- Bytes and ends of streams.

void Bridge::OnReadable(Endpoint& endpoint) {
  if (ended()) return;
  const bool of_client = endpoint.side() == Side::kIncoming;
  if (of_client && awaits_turn_) return incoming_.PauseReading(Endpoint::kAwaitsTurn);
  if (!of_client || state_ != BridgeState::kHandshaking) return PumpFrom(endpoint);
  awaits_turn_ = true;
  observer_->OnHandshakeInput();
}

// What has come from it and has yet to leave.
size_t Bridge::QueuedFrom(const Endpoint& from) {
  const Endpoint* to = OtherThan(from);
  return to == nullptr ? early_bytes_.size() : to->queued_bytes();
}

void Bridge::PumpFrom(Endpoint& from) {
  size_t budget = kBytesPerTurn;
  while (true) {
    const size_t mark = from.mark_for_other();
    const size_t limit = std::min(budget, mark - std::min(mark, QueuedFrom(from)));
    Endpoint::Read read = from.ReadSome(limit);
    if (state_ == BridgeState::kPeeking && !Peek(&read)) return;
    if (!Forward(from, read)) return;

    const bool full = QueuedFrom(from) >= mark;
    if (full) from.PauseReading(Endpoint::kOtherSideFull);
    if (full || read.outcome != Endpoint::Outcome::kMore) return;
    budget -= std::min(budget, limit);
    if (budget == 0) return;
  }
}

// True if there may be more to read from `from`.
bool Bridge::Forward(Endpoint& from, const Endpoint::Read& read) {
  using Outcome = Endpoint::Outcome;
  if (state_ == BridgeState::kHandshaking && read.outcome != Outcome::kTlsFailed &&
      from.tls()->handshake_done()) {
    state_ = BridgeState::kRouting;
    observer_->OnClientReady();
    if (ended()) return false;
  }
  if (state_ == BridgeState::kHandshaking && from.tls()->awaits_signature() &&
      (read.outcome == Outcome::kDrained || read.outcome == Outcome::kMore)) {
    from.PauseReading(Endpoint::kAwaitsTurn);  // ContinueSigned() follows
    return false;
  }
  if (from.side() == Side::kOutgoing && !backend_ready_) {
    if (read.outcome != Outcome::kTlsFailed && from.tls()->handshake_done()) BackendReady();
    if (ended() || (!backend_ready_ && read.outcome == Outcome::kDrained)) return false;
  }

  if (!read.plaintext.empty()) {
    last_activity_ = loop_->now();
    last_sender_ = from.side();
    bytes_[static_cast<int>(from.side())] += read.plaintext.size();
    Endpoint* to = OtherThan(from);
    if (to == nullptr) {
      early_bytes_.append(reinterpret_cast<const char*>(read.plaintext.data()),
                          read.plaintext.size());
    } else if (const int error = to->Write(read.plaintext); error != 0) {
      OnWriteError(*to, error);
      return false;
    }
  }

  switch (read.outcome) {
    case Outcome::kDrained:
    case Outcome::kMore:
      return true;
    case Outcome::kEnded:
      // Behind a reset that a write has met, a read tells no more than "end". Close_notify is proof
      // that this was all; so is EPIPE, which the kernel says where a FIN came before the reset.
      if (deferred_end_ != nullptr && from.tls() == nullptr && deferred_end_->end.error != EPIPE) {
        CutShort();
      } else {
        StreamEnded(from);
      }
      return false;
    case Outcome::kTruncated:
      if (deferred_end_ != nullptr) {
        CutShort();
      } else if (options_->AcceptsTruncation(from.side())) {
        StreamEnded(from);
      } else if (!stream_ended(from.side())) {
        ReportEnd(End::OfBoth(from.side() == Side::kIncoming
                                  ? TerminationReason::kTruncated
                                  : TerminationReason::kBackendTruncated));
      }
      return false;
    case Outcome::kFailed:
      OnError(from, read.error);
      return false;
    case Outcome::kTlsFailed:
      FailedTls(from);
      return false;
  }
  return false;
}

void Bridge::StreamEnded(Endpoint& from) {
  if (std::exchange(stream_ended(from.side()), true)) return;  // FIN behind a close_notify
  const bool first = !first_ended_.has_value();
  if (first) first_ended_ = from.side();
  last_activity_ = loop_->now();  // however long the silence before it
  if (state_ == BridgeState::kBridging) state_ = BridgeState::kHalfClosed;

  Endpoint* to = OtherThan(from);
  if (to != nullptr) {
    if (const int error = to->FinishWriting(); error != 0) return OnWriteError(*to, error);
  }
  if (first) observer_->OnHalfClosed();
  CheckBothStreamsEnded();
}

void Bridge::OnDrained(Endpoint& to) {
  if (ended()) return;
  last_activity_ = loop_->now();
  if (Endpoint* from = OtherThan(to); from != nullptr) {
    from->ResumeReading(Endpoint::kOtherSideFull);
  }
  CheckBothStreamsEnded();
}

void Bridge::CheckBothStreamsEnded() {
  if (ended() || outgoing_ == nullptr) return;
  if (deferred_end_ != nullptr) return CheckDeferredEnd();
  if (!incoming_.writing_finished() || !outgoing_->writing_finished()) return;
  if (first_ended_ == Side::kIncoming) {
    ReportEnd({TerminationReason::kClosedIncoming, TerminationReason::kNormal,
               TerminationReason::kSocketEnd});
  } else {
    ReportEnd({TerminationReason::kClosedOutgoing, TerminationReason::kProxyEnd,
               TerminationReason::kProxyEnd});
  }
}

bool Bridge::amid_record() const {
  const auto amid = [](const tls::Session* session) {
    return session != nullptr && session->amid_record();
  };
  return amid(client_tls()) || amid(backend_tls());
}

bool Bridge::LookForProgress() {
  const size_t undelivered =
      incoming_.undelivered_bytes() + (outgoing_ == nullptr ? 0 : outgoing_->undelivered_bytes());
  // What the kernel has taken it delivers by itself, even after an orderly close().
  const bool kernel_has_all = queued_to_client() + queued_to_backend() == 0;
  if (undelivered == 0 || (kernel_has_all && deferred_end_ == nullptr)) return false;
  const bool looked_since = last_look_ >= last_activity_;
  const bool progress = !looked_since || undelivered < undelivered_;
  undelivered_ = undelivered;
  last_look_ = loop_->now();
  return progress;
}

}  // namespace tlsbridge
