// How a bridge ends: failures, ends that wait until one side has all that is due to it, cleanup.

#include <errno.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "bridge/as_bytes.h"
#include "bridge/bridge.h"
#include "bridge/bridge_event.h"
#include "bridge/local_error.h"

namespace tlsbridge {
namespace {

// How soon to look whether the peer's kernel has taken the last bytes; doubled each time.
constexpr absl::Duration kFirstLook = absl::Milliseconds(1);
constexpr absl::Duration kLastLook = absl::Milliseconds(100);

// How long a backend may take nothing of a request that its client's reset has cut short.
constexpr absl::Duration kPatience = absl::Seconds(2);

}  // namespace

// ---- Failures.

void Bridge::OnWriteError(Endpoint& to, int error) {
  const Event event(this);
  if (ended()) return;
  if (to.tls_failed()) return FailedTls(to);
  if (HasLeftInOrder(to)) return LetGo(to);
  Endpoint* const from = OtherThan(to);
  if (step_ < BridgeStep::kBridging) return OnError(to, error);
  if (step_ == BridgeStep::kServingRest) {
    if (to.side() == rest_->served) ReportEnd(rest_->end);
    return;
  }
  const End end = End::OfBoth(ReasonForErrno(to.side(), error), error);
  // It lives, and its stream need never end: nothing would come that could be waited for.
  if (IsLocalError(error)) return ReportEnd(end);
  // It wants no more. What it sent before, perhaps the whole of its stream, is in the kernel or on
  // its way; the other shall have all of that before it learns.
  from->PauseReading(Endpoint::kStreamEnded);
  ServeRest(from->side(), end, /*cut=*/false);
}

// While its reading is paused, so that what it sent before may still be unread.
void Bridge::OnHangup(Endpoint& endpoint, int error) {
  const Event event(this);
  if (ended()) return;
  if (HasLeftInOrder(endpoint)) return LetGo(endpoint);
  const End end = End::OfBoth(ReasonForErrno(endpoint.side(), error), error);
  if (IsLocalError(error)) return ReportEnd(rest_ != nullptr ? rest_->end : end);
  if (step_ < BridgeStep::kBridging) return OnError(endpoint, error);
  if (step_ == BridgeStep::kServingRest) {
    if (endpoint.side() == rest_->served) ReportEnd(rest_->end);
    return;
  }
  Endpoint& other = *OtherThan(endpoint);
  other.PauseReading(Endpoint::kStreamEnded);
  // A client that resets has no use for the answer: its request is worth waiting for only if it is
  // whole, or while the backend goes on taking it. So what is left of it is looked through at once.
  const bool cut_request =
      endpoint.side() == Side::kIncoming && !HasEnded(streams_, Side::kIncoming);
  ServeRest(other.side(), end, /*cut=*/false, /*impatient=*/cut_request);
  if (ended() || !cut_request) return;
  Resume(endpoint, Endpoint::kOtherSideFull);
  if (!ended() && endpoint.pauses() == 0) PumpFrom(endpoint);
}

void Bridge::OnError(Endpoint& endpoint, int error) {
  if (ended()) return;
  if (HasLeftInOrder(endpoint)) return LetGo(endpoint);
  if (step_ == BridgeStep::kServingRest) {
    if (endpoint.side() == rest_->served) return ReportEnd(rest_->end);
    endpoint.PauseReading(Endpoint::kStreamEnded);
    return CutShort();
  }
  if (step_ < BridgeStep::kRouting) return LeftEarly(error);
  if (endpoint.side() == Side::kOutgoing && step_ < BridgeStep::kBridging) {
    return FailedToConnect(error);
  }
  const End end = End::OfBoth(ReasonForErrno(endpoint.side(), error), error);
  Endpoint* const other = OtherThan(endpoint);
  if (other == nullptr) return ReportEnd(end);
  const bool complete = HasEnded(streams_, endpoint.side());
  if (!complete && other->undelivered_bytes() == 0) return ReportEnd(end);
  // The other may be slow. It shall have all that came before, and its end if that came, too.
  endpoint.PauseReading(Endpoint::kStreamEnded);
  other->PauseReading(Endpoint::kStreamEnded);
  ServeRest(other->side(), end, /*cut=*/!complete,
            /*impatient=*/!complete && endpoint.side() == Side::kIncoming);
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
  const End reported = end;  // may be of rest_, which its receiver may end
  Enter(BridgeStep::kEnded);
  observer_->OnEnded(reported);
}

// ---- Ends that wait.

void Bridge::ServeRest(Side served, const End& end, bool cut, bool impatient) {
  if (ended()) return;
  rest_ = std::make_unique<Rest>(loop_, [this] {
    const Event event(this);
    CheckRest();
  });
  rest_->end = end;
  rest_->served = served;
  rest_->cut = cut;
  rest_->impatient = impatient;
  rest_->taken_at = last_activity_ = loop_->now();
  Enter(BridgeStep::kServingRest);
  CheckEnd();
}

void Bridge::CutShort() {
  rest_->cut = true;
  CheckRest();
}

// Until the peer's kernel has all, a close() could still make ours drop what it has not sent. No
// event tells when, so it is looked for.
void Bridge::CheckRest() {
  if (step_ != BridgeStep::kServingRest) return;
  const Endpoint& to = rest_->served == Side::kIncoming ? incoming_ : *outgoing_;
  const bool all_is_on_its_way = rest_->cut || to.writing_finished();
  if (!all_is_on_its_way && !rest_->impatient) return;
  const size_t undelivered = to.undelivered_bytes();
  if (all_is_on_its_way && undelivered == 0) return ReportEnd(rest_->end);
  const uint64_t taken = bytes_[static_cast<int>(Other(rest_->served))] - undelivered;
  if (std::exchange(rest_->taken, taken) != taken) rest_->taken_at = loop_->now();
  if (rest_->impatient && loop_->now() >= rest_->taken_at + kPatience) return ReportEnd(rest_->end);
  rest_->timer.ArmAfter(rest_->next_look);
  rest_->next_look = std::min(2 * rest_->next_look, kLastLook);
}

// ---- Cleanup.

void Bridge::Cleanup(Endings endings, uint8_t alert) {
  if (step_ >= BridgeStep::kDraining) return;
  Enter(BridgeStep::kDraining);
  if (endings.incoming == Ending::kAlert && incoming_.tls() == nullptr && bytes_sent() == 0) {
    static_cast<void>(
        incoming_.Write(tls::AlertRecord(alert)));  // no keys yet: RFC 8446 section 5.1
  }
  // A peer that is owed the whole of a stream, with its end, shall not lose it to a reset.
  const bool client_has_all = HasEnded(streams_, Side::kOutgoing) || incoming_.writing_finished();
  if (client_has_all && endings.incoming == Ending::kFlushReset) {
    endings.incoming = Ending::kGraceful;
  }
  if (HasEnded(streams_, Side::kIncoming) && endings.outgoing == Ending::kFlushReset) {
    endings.outgoing = Ending::kGraceful;
  }
  if (rest_ != nullptr) rest_->timer.Cancel();
  // A backend that is still being dialled shall have what came for it, as far as the grace goes.
  const bool owes = endings.outgoing == Ending::kFlushReset && !early_bytes().empty() &&
                    opening_->race != nullptr && opening_->backend_tls == nullptr;
  if (!owes) {
    dropped_bytes_ += early_bytes().size();
    opening_.reset();
  }

  closing_ = std::make_unique<Closing>(loop_, [this] { OnClosingTimer(); });
  closing_->deadline = loop_->now() + options_->grace;
  closing_->next_look = kFirstLook;
  incoming_.CleanupSocket(endings.incoming);
  if (outgoing_ != nullptr) outgoing_->CleanupSocket(endings.outgoing);
  if (step_ != BridgeStep::kClosed) ScheduleClosing();
}

// The end is decided, and yet it is owed what came before.
void Bridge::ServeLate(const RaceDialer::Result& result) {
  const std::unique_ptr<Opening> opening = std::move(opening_);
  dropped_bytes_ += opening->early_bytes.size();
  if (result.fd >= 0) {
    Endpoint::Owner* const owner = this;  // the base is private
    outgoing_ = std::make_unique<Endpoint>(Side::kOutgoing, result.fd, owner, loop_, memory_);
    opening->preamble.append(opening->early_bytes);
    if (outgoing_->error() == 0 && outgoing_->Write(AsBytes(opening->preamble)) == 0) {
      dropped_bytes_ -= opening->early_bytes.size();
    }
    outgoing_->CleanupSocket(Ending::kFlushReset);
  }
  CloseIfDone();
  if (step_ != BridgeStep::kClosed) ScheduleClosing();
}

void Bridge::ScheduleClosing() {
  const bool look =
      incoming_.needs_another_look() || (outgoing_ != nullptr && outgoing_->needs_another_look());
  const absl::Time next = look ? loop_->now() + closing_->next_look : closing_->deadline;
  closing_->timer.ArmAt(std::min(next, closing_->deadline));
  closing_->next_look *= 2;
}

void Bridge::OnClosingTimer() {
  const Event event(this);
  if (loop_->now() >= closing_->deadline) return CloseNow();
  for (Endpoint* endpoint : {&incoming_, outgoing_.get()}) {
    if (endpoint != nullptr) endpoint->ContinueClosing();
  }
  if (step_ != BridgeStep::kClosed) ScheduleClosing();
}

void Bridge::CloseNow() {
  const Event event(this);
  if (opening_ != nullptr) {
    dropped_bytes_ += early_bytes().size();
    opening_.reset();
    CloseIfDone();
  }
  for (Endpoint* endpoint : {&incoming_, outgoing_.get()}) {
    if (endpoint != nullptr) endpoint->ForceClose();
  }
}

void Bridge::OnClosed(Endpoint& endpoint) {
  if (step_ != BridgeStep::kDraining) return;  // a backend that could not be reached
  dropped_bytes_ += endpoint.dropped_bytes();
  CloseIfDone();
}

void Bridge::CloseIfDone() {
  if (step_ != BridgeStep::kDraining || opening_ != nullptr || !incoming_.closed()) return;
  if (outgoing_ != nullptr && !outgoing_->closed()) return;
  Enter(BridgeStep::kClosed);
  closing_->timer.Cancel();
  observer_->OnClosed();
}

}  // namespace tlsbridge
