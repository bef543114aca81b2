#include "bridge/bridge.h"

#include <errno.h>

#include <algorithm>
#include <utility>

#include "bridge/dial.h"

namespace tlsbridge {
namespace {

// What one wake-up moves at most, so that one fast peer cannot keep the loop from the others. The
// socket stays readable, so that the rest follows in the next turn.
constexpr size_t kBytesPerTurn = 4 * Endpoint::kHighMark;

// How soon to look whether the peer's kernel has taken the last bytes; doubled each time.
constexpr absl::Duration kFirstLook = absl::Milliseconds(1);
constexpr absl::Duration kLastLook = absl::Milliseconds(100);

absl::Span<const uint8_t> AsBytes(const std::string& text) {
  return absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(text.data()), text.size());
}

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

void Bridge::Terminate(std::unique_ptr<tls::Session> tls) {
  if (ended()) return;
  state_ = BridgeState::kHandshaking;
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
  const std::string bytes = std::exchange(first_bytes_, {});
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

// ---- Connecting.

void Bridge::ConnectBackend(absl::Span<const SocketAddress> addresses,
                            std::unique_ptr<tls::Session> tls, absl::string_view preamble) {
  if (ended()) return;
  state_ = BridgeState::kConnecting;
  backend_tls_ = std::move(tls);
  preamble_.assign(preamble.data(), preamble.size());
  Endpoint::Owner* const owner = this;  // the base is private
  if (addresses.size() > 1) {
    race_ = std::make_unique<RaceDialer>(loop_, &memory_->live, addresses, options_->tcp,
                                         [this, owner](const RaceDialer::Result& result) {
                                           if (result.fd < 0) return FailedToConnect(result.error);
                                           AdoptBackend(std::make_unique<Endpoint>(
                                               Side::kOutgoing, result.fd, owner, loop_, memory_));
                                           if (!ended() && outgoing_ != nullptr)
                                             OnConnected(*outgoing_);
                                         });
    return;
  }
  const DialResult dialled = Dial(addresses.front(), options_->tcp);
  if (dialled.error == 0) {
    return AdoptBackend(std::make_unique<Endpoint>(Endpoint::Connecting(), Side::kOutgoing,
                                                   dialled.fd, owner, loop_, memory_));
  }
  // Never from inside the call that began it.
  if (failed_dial_ == nullptr) {
    failed_dial_ = std::make_unique<Timer>(loop_, [this] { FailedToConnect(dial_error_); });
  }
  dial_error_ = dialled.error;
  failed_dial_->ArmAfter(absl::ZeroDuration());
}

void Bridge::AdoptBackend(std::unique_ptr<Endpoint> backend) {
  outgoing_ = std::move(backend);
  if (!preamble_.empty()) {
    if (const int error = outgoing_->Write(AsBytes(preamble_)); error != 0) {
      return FailedToConnect(error);
    }
  }
  if (backend_tls_ == nullptr) return ServeEarlyBytes();
  outgoing_->StartTls(std::move(backend_tls_));
}

// The backend takes what the client has sent so far.
void Bridge::ServeEarlyBytes() {
  int error = 0;
  if (!early_bytes_.empty()) {
    error = outgoing_->Write(AsBytes(early_bytes_));
    std::string().swap(early_bytes_);
  }
  if (error == 0 && stream_ended(Side::kIncoming)) error = outgoing_->FinishWriting();
  if (error != 0) return OnWriteError(*outgoing_, error);
  if (!outgoing_->full()) incoming_.ResumeReading(Endpoint::kOtherSideFull);
}

void Bridge::FailedToConnect(int error, const tls::Failure& failure) {
  if (ended()) return;
  state_ = BridgeState::kRouting;
  backend_tls_.reset();
  race_.reset();
  if (outgoing_ != nullptr) {
    // What is queued for one that speaks TLS is its handshake.
    if (outgoing_->tls() == nullptr && !outgoing_->connected()) {
      early_bytes_ = outgoing_->TakeQueue().substr(preamble_.size());
    }
    std::unique_ptr<Endpoint> failed = std::move(outgoing_);
    // Where TLS failed, the backend may still read the alert that tells why.
    const bool tls_failed = failure.detail != tls::FailureDetail::kNone;
    failed->CleanupSocket(tls_failed ? Ending::kQuiet : Ending::kReset);
    failed->ForceClose();
    loop_->DeleteLater(std::move(failed));  // its callback is still on the stack
  }
  observer_->OnConnectFailed(error, failure);
}

void Bridge::AbandonBackend() {
  if (failed_dial_ != nullptr) failed_dial_->Cancel();
  FailedToConnect(ETIMEDOUT);
}

void Bridge::OnConnected(Endpoint&) {
  if (ended()) return;
  if (outgoing_->tls() == nullptr) return BackendReady();
  if (const int error = outgoing_->BeginHandshake(); error != 0) FailedToConnect(error);
}

void Bridge::BackendReady() {
  backend_ready_ = true;
  state_ = first_ended_.has_value() ? BridgeState::kHalfClosed : BridgeState::kBridging;
  last_activity_ = loop_->now();
  std::string().swap(preamble_);
  race_.reset();
  observer_->OnBackendConnected();
  if (!ended() && outgoing_->tls() != nullptr) ServeEarlyBytes();
}

// ---- Bytes and ends of streams.

void Bridge::OnReadable(Endpoint& endpoint) {
  if (ended()) return;
  const bool of_client = endpoint.side() == Side::kIncoming;
  if (of_client && awaits_turn_) return;  // what has come meanwhile keeps until then
  if (!of_client || state_ != BridgeState::kHandshaking) return PumpFrom(endpoint);
  awaits_turn_ = true;
  observer_->OnHandshakeInput();
}

void Bridge::PumpFrom(Endpoint& from) {
  size_t budget = kBytesPerTurn;
  while (true) {
    const Endpoint* to = OtherThan(from);
    const size_t limit = std::min(budget, to == nullptr ? Endpoint::kHighMark : to->room());
    Endpoint::Read read = from.ReadSome(limit);
    if (state_ == BridgeState::kPeeking && !Peek(&read)) return;
    if (!Forward(from, read)) return;

    to = OtherThan(from);  // forwarding the last bytes of a handshake may have dialled it
    const bool full = to == nullptr ? early_bytes_.size() >= Endpoint::kHighMark : to->full();
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
      } else if (options_->accept_truncation) {
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

void Bridge::DeferEnd(Side still_served, const End& end, bool cut) {
  deferred_end_ = std::make_unique<Deferred>(loop_, [this] { CheckDeferredEnd(); });
  deferred_end_->end = end;
  deferred_end_->still_served = still_served;
  deferred_end_->cut = cut;
  last_activity_ = loop_->now();
  if (state_ == BridgeState::kBridging) state_ = BridgeState::kHalfClosed;
  if (!first_ended_.has_value()) {
    first_ended_ = Other(still_served);
    observer_->OnHalfClosed();
  }
  CheckBothStreamsEnded();
}

void Bridge::CutShort() {
  deferred_end_->cut = true;
  CheckDeferredEnd();
}

// Until the peer's kernel has all, a close() could still make ours drop what it has not sent. No
// event tells when, so it is looked for.
void Bridge::CheckDeferredEnd() {
  if (ended()) return;
  const Endpoint& to = deferred_end_->still_served == Side::kIncoming ? incoming_ : *outgoing_;
  if (!deferred_end_->cut && !to.writing_finished()) return;
  if (to.undelivered_bytes() == 0) return ReportEnd(deferred_end_->end);
  deferred_end_->timer.ArmAfter(deferred_end_->next_look);
  deferred_end_->next_look = std::min(2 * deferred_end_->next_look, kLastLook);
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

// ---- Failures.

void Bridge::OnWriteError(Endpoint& to, int error) {
  if (ended()) return;
  Endpoint* const from = OtherThan(to);
  if (from == nullptr || state_ == BridgeState::kConnecting) return OnError(to, error);
  if (deferred_end_ != nullptr) {
    if (to.side() == deferred_end_->still_served) ReportEnd(deferred_end_->end);
    return;
  }
  // It wants no more. What it sent before, perhaps the whole of its stream, is in the kernel or on
  // its way; the other shall have all of that before it learns.
  from->PauseReading(Endpoint::kStreamEnded);
  DeferEnd(from->side(), End::OfBoth(ReasonForErrno(to.side(), error), error), /*cut=*/false);
}

void Bridge::OnError(Endpoint& endpoint, int error) {
  if (ended()) return;
  if (deferred_end_ != nullptr) {
    if (endpoint.side() == deferred_end_->still_served) return ReportEnd(deferred_end_->end);
    return CutShort();
  }
  if (endpoint.side() == Side::kOutgoing && state_ == BridgeState::kConnecting) {
    return FailedToConnect(error);
  }
  if (state_ == BridgeState::kPeeking || state_ == BridgeState::kHandshaking) {
    return LeftEarly(error);
  }
  const End end = End::OfBoth(ReasonForErrno(endpoint.side(), error), error);
  Endpoint* const other = OtherThan(endpoint);
  if (other == nullptr) return ReportEnd(end);
  const bool complete = stream_ended(endpoint.side());
  if (!complete && (!other->connected() || other->undelivered_bytes() == 0)) return ReportEnd(end);
  // The other may be slow. It shall have all that came before, and its end if that came, too.
  endpoint.PauseReading(Endpoint::kStreamEnded);
  other->PauseReading(Endpoint::kStreamEnded);
  DeferEnd(other->side(), end, /*cut=*/!complete);
}

void Bridge::FailedTls(Endpoint& from) {
  const tls::Failure& failure = from.tls()->failure();
  const bool is_client = from.side() == Side::kIncoming;
  TerminationReason reason;
  if (from.tls()->handshake_done()) {
    reason = is_client ? TerminationReason::kTlsError : TerminationReason::kBackendTlsError;
  } else if (is_client) {
    reason = TerminationReason::kTlsHandshakeFailed;
  } else {
    return FailedToConnect(0, failure);
  }
  End end = End::OfBoth(reason);
  end.failure = failure;
  ReportEnd(end);
}

void Bridge::ReportEnd(const End& end) {
  if (ended()) return;
  end_reported_ = true;
  observer_->OnEnded(end);
}

// ---- Cleanup.

void Bridge::Cleanup(Endings endings, uint8_t alert) {
  if (state_ >= BridgeState::kDraining) return;
  state_ = BridgeState::kDraining;
  if (endings.incoming == Ending::kAlert && incoming_.tls() == nullptr && bytes_sent() == 0) {
    incoming_.Write(tls::AlertRecord(alert));  // no keys yet: RFC 8446 section 5.1
  }
  // A client that has had the whole answer, close_notify and FIN shall not lose it to a reset.
  if (incoming_.writing_finished() && endings.incoming == Ending::kFlushReset) {
    endings.incoming = Ending::kGraceful;
  }
  // Nor shall a backend lose a stream that was complete.
  if (stream_ended(Side::kIncoming) && endings.outgoing == Ending::kFlushReset) {
    endings.outgoing = Ending::kGraceful;
  }
  if (deferred_end_ != nullptr) deferred_end_->timer.Cancel();
  if (failed_dial_ != nullptr) failed_dial_->Cancel();
  race_.reset();
  dropped_bytes_ += early_bytes_.size();
  std::string().swap(early_bytes_);

  closing_ = std::make_unique<Closing>(loop_, [this] { OnClosingTimer(); });
  closing_->deadline = loop_->now() + options_->grace;
  closing_->next_look = kFirstLook;
  incoming_.CleanupSocket(endings.incoming);
  if (outgoing_ != nullptr) outgoing_->CleanupSocket(endings.outgoing);
  if (state_ != BridgeState::kClosed) ScheduleClosing();
}

void Bridge::ScheduleClosing() {
  const bool look =
      incoming_.needs_another_look() || (outgoing_ != nullptr && outgoing_->needs_another_look());
  const absl::Time next = look ? loop_->now() + closing_->next_look : closing_->deadline;
  closing_->timer.ArmAt(std::min(next, closing_->deadline));
  closing_->next_look *= 2;
}

void Bridge::OnClosingTimer() {
  const bool grace_is_over = loop_->now() >= closing_->deadline;
  for (Endpoint* endpoint : {&incoming_, outgoing_.get()}) {
    if (endpoint == nullptr) continue;
    if (grace_is_over) {
      endpoint->ForceClose();
    } else {
      endpoint->ContinueClosing();
    }
  }
  if (state_ != BridgeState::kClosed) ScheduleClosing();
}

void Bridge::OnClosed(Endpoint& endpoint) {
  if (state_ != BridgeState::kDraining) return;  // a backend that could not be reached
  dropped_bytes_ += endpoint.dropped_bytes();
  if (!incoming_.closed() || (outgoing_ != nullptr && !outgoing_->closed())) return;
  state_ = BridgeState::kClosed;
  closing_->timer.Cancel();
  observer_->OnClosed();
}

}  // namespace tlsbridge
