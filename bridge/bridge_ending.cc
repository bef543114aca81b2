// How a bridge ends: failures, ends that wait until one side has all that is due to it, cleanup.

#include <errno.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "bridge/bridge.h"

namespace tlsbridge {
namespace {

// How soon to look whether the peer's kernel has taken the last bytes; doubled each time.
constexpr absl::Duration kFirstLook = absl::Milliseconds(1);
constexpr absl::Duration kLastLook = absl::Milliseconds(100);

}  // namespace

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

// ---- Ends that wait.

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

// ---- Cleanup.

void Bridge::Cleanup(Endings endings, uint8_t alert) {
  if (state_ >= BridgeState::kDraining) return;
  state_ = BridgeState::kDraining;
  if (endings.incoming == Ending::kAlert && incoming_.tls() == nullptr && bytes_sent() == 0) {
    incoming_.Write(tls::AlertRecord(alert));  // no keys yet: RFC 8446 section 5.1
  }
  // A peer that is owed the whole of a stream, with its end, shall not lose it to a reset.
  if (stream_ended(Side::kOutgoing) && endings.incoming == Ending::kFlushReset) {
    endings.incoming = Ending::kGraceful;
  }
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
