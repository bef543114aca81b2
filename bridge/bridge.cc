// How bytes, and ends of streams, pass a bridge.

#include "bridge/bridge.h"

#include <errno.h>

#include <algorithm>
#include <utility>

#include "bridge/bridge_event.h"

namespace tlsbridge {
namespace {

// What one wake-up moves at most, so that one fast peer cannot keep the loop from the others. The
// socket stays readable, so that the rest follows in the next turn.
constexpr size_t kBytesPerTurn = 4 * Endpoint::kHighMarkOfBytes;

// A record costs as much as this many bytes more: a client that sends records of one byte shall
// have no more of a turn than others.
constexpr size_t kBytesPerRecord = 1024;

// And since a read is decrypted whole, the next one is short behind one of many such records.
constexpr size_t kManyRecords = 32;
constexpr size_t kTinyRecordBytes = 128;
constexpr size_t kBytesOfTinyRecords = 4096;

// Until a client's handshake is done, what is read of it may have to be kept: there it waits for
// its turn, and for a signature.
constexpr size_t kBytesOfHandshake = 4096;

// Less is copied at the same price.
constexpr size_t kWorthMoving = 16 * 1024;

// From a client that has reset, so much more may be queued: what is left of its stream is looked
// through for its end.
constexpr size_t kLastMarks = 4;

}  // namespace

Bridge::Bridge(int client_fd, const BridgeOptions* options, Observer* observer, EventLoop* loop,
               WorkerMemory* memory)
    : loop_(loop),
      memory_(memory),
      options_(options),
      observer_(observer),
      incoming_(Side::kIncoming, client_fd, this, loop, memory),
      last_activity_(loop->now()) {}

Bridge::~Bridge() = default;

void Bridge::Enter(BridgeStep step) {
  if constexpr (kChecksStates)
    Check(MayFollow(step_, step), "a bridge takes a step that it may not");
  const bool was_half_closed = state() == BridgeState::kHalfClosed;
  step_ = step;
  if (!was_half_closed && state() == BridgeState::kHalfClosed) observer_->OnHalfClosed();
}

BridgeParts Bridge::parts() const {
  return {.client_tls = incoming_.tls() != nullptr,
          .race = opening_ != nullptr && opening_->race != nullptr,
          .backend = outgoing_ != nullptr,
          .backend_ready = backend_connected(),
          .first_bytes = opening_ != nullptr && !opening_->first_bytes.empty(),
          .early_bytes = !early_bytes().empty(),
          .rest = rest_ != nullptr,
          .closing = closing_ != nullptr};
}

// Null while there is no backend, or none yet that can take the client's bytes.
Endpoint* Bridge::OtherThan(const Endpoint& endpoint) {
  if (endpoint.side() == Side::kOutgoing) return &incoming_;
  return backend_connected() ? outgoing_.get() : nullptr;
}

void Bridge::Resume(Endpoint& endpoint, Endpoint::Pause why) {
  const int error = endpoint.ResumeReading(why);
  if (error != 0) ReportEnd(End::OfBoth(ReasonForErrno(endpoint.side(), error), error));
}

void Bridge::PauseUntilTurn() {
  if (traffic_ != nullptr && (incoming_.pauses() & Endpoint::kAwaitsTurn) == 0) {
    traffic_->turns_waited.Add();
  }
  incoming_.PauseReading(Endpoint::kAwaitsTurn);
}

void Bridge::PauseUntilTaken(Endpoint& from) {
  if (traffic_ != nullptr && (from.pauses() & Endpoint::kOtherSideFull) == 0) {
    traffic_->pauses[static_cast<size_t>(from.side())].Add();
  }
  from.PauseReading(Endpoint::kOtherSideFull);
}

// ---- Bytes.

void Bridge::OnReadable(Endpoint& endpoint) {
  const Event event(this);
  if (ended()) return;
  switch (step_) {
    case BridgeStep::kAwaitingTurn:
    case BridgeStep::kInputAwaitingTurn:
      return PauseUntilTurn();
    case BridgeStep::kHandshaking:
      Enter(BridgeStep::kInputAwaitingTurn);
      return observer_->OnHandshakeInput();
    default:
      return PumpFrom(endpoint);
  }
}

// What has come from it and has yet to leave.
size_t Bridge::QueuedFrom(const Endpoint& from) {
  const Endpoint* to = OtherThan(from);
  if (to != nullptr && to->takes_no_more()) return 0;  // what still comes is thrown away
  return to == nullptr ? early_bytes().size() : to->queued_bytes();
}

size_t Bridge::MarkFor(const Endpoint& from) const {
  const bool last = rest_ != nullptr && rest_->impatient && rest_->served != from.side();
  return from.mark_for_other() * (last ? kLastMarks : 1);
}

void Bridge::PumpFrom(Endpoint& from) {
  size_t budget = kBytesPerTurn;
  while (true) {
    const size_t mark = MarkFor(from);
    bool& tiny_records = tiny_records_[static_cast<int>(from.side())];
    size_t limit = std::min(budget, mark - std::min(mark, QueuedFrom(from)));
    if (tiny_records) limit = std::min(limit, kBytesOfTinyRecords);
    if (step_ < BridgeStep::kRouting) limit = std::min(limit, kBytesOfHandshake);
    Read read;
    bool more;
    if (Endpoint* const to = MovesTo(from); to != nullptr) {
      more = Move(from, to, limit, &read);
    } else {
      read = from.ReadSome(limit);
      const bool tiny = read.bytes.size() < read.records * kTinyRecordBytes;
      if (read.records > (tiny ? kManyRecords : 0)) tiny_records = tiny;
      if (step_ == BridgeStep::kPeeking && !Peek(&read)) return;
      moves_[static_cast<int>(from.side())] = read.outcome == ReadOutcome::kMore;
      more = Take(from, read);
    }
    if (ended() || from.closed()) return;
    // FIN would be told again in every turn.
    if (from.peer_finished()) return from.PauseReading(Endpoint::kStreamEnded);
    if (!more) return;

    const bool full = QueuedFrom(from) >= mark;
    if (full) PauseUntilTaken(from);
    if (full || read.outcome != ReadOutcome::kMore) return;
    budget -= std::min(budget, limit + read.records * kBytesPerRecord);
    if (budget == 0) return;
  }
}

// Where what comes from it goes past our memory; null if it does not. A read that was full begins
// that, since to move little costs more than to copy it.
Endpoint* Bridge::MovesTo(Endpoint& from) {
  const bool streams = step_ == BridgeStep::kBridging || step_ == BridgeStep::kHalfClosed;
  if (!moves_[static_cast<int>(from.side())] || !streams || from.tls() != nullptr) return nullptr;
  Endpoint* const to = OtherThan(from);
  const bool takes = to->tls() == nullptr && !to->takes_no_more() && to->queued_bytes() == 0;
  return takes ? to : nullptr;
}

// True if there may be more to read from `from`; `read` is what it came to, without the bytes.
bool Bridge::Move(Endpoint& from, Endpoint* to, size_t limit, Read* read) {
  const SplicePipe::Moved moved = from.MoveTo(to, limit);
  *read = {.outcome = moved.outcome, .error = moved.error};
  moves_[static_cast<int>(from.side())] = moved.bytes >= kWorthMoving;
  if (moved.bytes > 0) NoteBytes(from, moved.bytes);
  if (moved.write_error == 0) return !ended() && ReadOn(from, *read);
  OnWriteError(*to, moved.write_error);
  return false;
}

// True if there may be more to read from `from`.
bool Bridge::Take(Endpoint& from, const Read& read) {
  return AdvanceHandshake(from, read) && Deliver(from, read.bytes) && ReadOn(from, read);
}

// False if `read` was all for a handshake that goes on.
bool Bridge::AdvanceHandshake(Endpoint& from, const Read& read) {
  const bool stalls = read.outcome == ReadOutcome::kDrained || read.outcome == ReadOutcome::kMore;
  if (step_ == BridgeStep::kHandshaking) {
    if (read.outcome != ReadOutcome::kTlsFailed && from.tls()->handshake_done()) {
      Enter(BridgeStep::kRouting);
      observer_->OnClientReady();
    } else if (stalls && from.tls()->awaits_signature()) {
      Enter(BridgeStep::kSigning);  // ContinueSigned() follows
      PauseUntilTurn();
      return false;
    }
  } else if (step_ == BridgeStep::kBackendHandshaking && from.side() == Side::kOutgoing) {
    if (read.outcome != ReadOutcome::kTlsFailed && backend_connected()) {
      BackendReady();
      if (outgoing_.get() != &from) return false;
    } else if (read.outcome == ReadOutcome::kDrained) {
      return false;
    }
  }
  return !ended();
}

void Bridge::NoteBytes(const Endpoint& from, size_t bytes) {
  last_activity_ = loop_->now();
  last_sender_ = from.side();
  const auto side = static_cast<size_t>(from.side());
  if (bytes_[side] == 0 && from.side() == Side::kOutgoing) observer_->OnFirstAnswer();
  bytes_[side] += bytes;
  if (traffic_ != nullptr) traffic_->bytes[side].Add(bytes);
}

bool Bridge::Deliver(Endpoint& from, absl::Span<const uint8_t> bytes) {
  if (bytes.empty()) return true;
  Endpoint* to = OtherThan(from);
  // Nor is it activity: a backend that goes on for ever has the half-close timeout to end.
  if (to != nullptr && to->takes_no_more()) return true;
  NoteBytes(from, bytes.size());
  if (to == nullptr) {
    opening().early_bytes.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return true;
  }
  const int error = to->Write(bytes);
  if (error != 0) OnWriteError(*to, error);
  return error == 0;
}

// ---- Ends of streams. This, StreamEnded() and the endings of termination_reason.cc are what the
// close matrix consists of.

bool Bridge::ReadOn(Endpoint& from, const Read& read) {
  switch (read.outcome) {
    case ReadOutcome::kDrained:
    case ReadOutcome::kMore:
      return true;
    case ReadOutcome::kEnded:
      // Behind a reset that was heard before, a read tells no more than "end". Close_notify is
      // proof that this was all; so is EPIPE, which the kernel says where a FIN came before the
      // reset.
      if (rest_ != nullptr && from.tls() == nullptr && rest_->end.error != EPIPE) {
        CutShort();
      } else {
        StreamEnded(from);
      }
      return false;
    case ReadOutcome::kTruncated:
      if (rest_ != nullptr) {
        CutShort();
      } else if (options_->AcceptsTruncation(from.side())) {
        StreamEnded(from);
      } else if (!HasEnded(streams_, from.side())) {
        ReportEnd(End::OfBoth(from.side() == Side::kIncoming
                                  ? TerminationReason::kTruncated
                                  : TerminationReason::kBackendTruncated));
      }
      return false;
    case ReadOutcome::kFailed:
      OnError(from, read.error);
      return false;
    case ReadOutcome::kTlsFailed:
      FailedTls(from);
      return false;
  }
  return false;
}

void Bridge::StreamEnded(Endpoint& from) {
  if (HasEnded(streams_, from.side())) return;  // FIN behind a close_notify
  streams_ = WithEndOf(streams_, from.side());
  last_activity_ = loop_->now();  // however long the silence before it
  if (rest_ != nullptr) rest_->impatient = false;

  Endpoint* const to = OtherThan(from);
  int answer_error = 0;
  if (from.MustAnswerCloseNotify() && !AwaitsAnswer()) {
    // With TLS 1.2 both streams end with the close_notify of either peer (RFC 5246 section 7.2.1):
    // what has come from the other by then is the last that this one gets. The other still gets all
    // that this one has sent, and is heard out. But clients of TLS 1.2 there are that end a request
    // in this way and read the answer: they are answered when they have had it, as with TLS 1.3.
    if (to != nullptr && to->pauses() == 0) PumpFrom(*to);
    if (ended()) return;
    answer_error = from.FinishWriting();
    if (to != nullptr) Resume(*to, Endpoint::kOtherSideFull);
    if (ended()) return;
  }
  if (to != nullptr) {
    const Endpoint::Fin fin = WouldBeLast(*to) ? Endpoint::Fin::kByClosing : Endpoint::Fin::kNow;
    if (const int error = to->FinishWriting(fin); error != 0) return OnWriteError(*to, error);
  }
  if (answer_error != 0) OnWriteError(from, answer_error);
  if (ended()) return;
  if (step_ == BridgeStep::kBridging) Enter(BridgeStep::kHalfClosed);
  CheckEnd();
  if (to != nullptr && step_ < BridgeStep::kDraining) to->SendFin();
}

// With its FIN all has been said, by all.
bool Bridge::WouldBeLast(const Endpoint& endpoint) {
  return rest_ == nullptr && HasEnded(streams_, endpoint.side()) && endpoint.peer_finished() &&
         OtherThan(endpoint)->writing_finished();
}

// The backend has yet to speak, or to hear what the client has said since.
bool Bridge::AwaitsAnswer() const {
  return bytes_sent() == 0 || last_sender_ == Side::kIncoming || queued_to_backend() > 0;
}

// One whose stream is complete, and that has been told that it gets no more.
bool Bridge::HasLeftInOrder(const Endpoint& endpoint) const {
  return HasEnded(streams_, endpoint.side()) && endpoint.takes_no_more() &&
         endpoint.MustAnswerCloseNotify();
}

void Bridge::LetGo(Endpoint& endpoint) {
  endpoint.LetGo();
  CheckEnd();
}

void Bridge::OnDrained(Endpoint& to) {
  const Event event(this);
  if (ended()) return;
  last_activity_ = loop_->now();
  Endpoint* const from = OtherThan(to);
  if (from != nullptr && QueuedFrom(*from) < MarkFor(*from)) {
    Resume(*from, Endpoint::kOtherSideFull);
  }
  CheckEnd();
}

void Bridge::CheckEnd() {
  if (step_ == BridgeStep::kServingRest) return CheckRest();
  if (step_ != BridgeStep::kHalfClosed) return;
  if (!HasEnded(streams_, Side::kIncoming) || !HasEnded(streams_, Side::kOutgoing)) return;
  if (!incoming_.writing_finished() || !outgoing_->writing_finished()) return;
  if (ClientEndedFirst(streams_)) {
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
  if (undelivered == 0 || (kernel_has_all && rest_ == nullptr)) return false;
  const bool looked_since = last_look_ >= last_activity_;
  const bool progress = !looked_since || undelivered < undelivered_;
  undelivered_ = undelivered;
  last_look_ = loop_->now();
  return progress;
}

}  // namespace tlsbridge
