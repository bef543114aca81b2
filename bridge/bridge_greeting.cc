// How a bridge comes by a client that is ready: its first bytes, and its handshake in its turn.

#include <memory>
#include <string>
#include <utility>

#include "bridge/as_bytes.h"
#include "bridge/bridge.h"
#include "bridge/bridge_event.h"

namespace tlsbridge {

void Bridge::Terminate(std::unique_ptr<tls::ClientSession> tls) {
  if (ended()) return;
  Enter(step_ == BridgeStep::kAwaitingTurn ? BridgeStep::kInputAwaitingTurn
                                           : BridgeStep::kHandshaking);
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
  if (step_ != BridgeStep::kInputAwaitingTurn) return;
  const Event event(this);
  Enter(BridgeStep::kHandshaking);
  Resume(incoming_, Endpoint::kAwaitsTurn);
  if (ended()) return;
  if (opening_ == nullptr || opening_->first_bytes.empty()) {
    PumpFrom(incoming_);
  } else {
    const std::unique_ptr<Opening> opening = std::move(opening_);
    GoOnWith(opening->first_bytes);
  }
  TellWhoseTurn();
}

void Bridge::ContinueSigned() {
  if (step_ != BridgeStep::kSigning) return;
  const Event event(this);
  Enter(BridgeStep::kHandshaking);
  Resume(incoming_, Endpoint::kAwaitsTurn);
  if (ended()) return;
  GoOnWith({});
  TellWhoseTurn();
}

// With bytes that were read before their turn.
void Bridge::GoOnWith(const std::string& bytes) {
  Take(incoming_, incoming_.DecryptAndAnswer({.bytes = AsBytes(bytes)}));
}

// Also where our flight is still queued: it is the client who does not take it.
void Bridge::TellWhoseTurn() {
  if (step_ == BridgeStep::kHandshaking) observer_->OnClientsTurn();
}

void Bridge::PassThrough() {
  if (ended()) return;
  Enter(BridgeStep::kRouting);
  observer_->OnClientReady();
}

// False if there is nothing more to do with `read`; else it is what the client's bytes now stand
// for.
bool Bridge::Peek(Read* read) {
  if (!read->bytes.empty()) {
    greeted_ = true;
    read->bytes = observer_->OnFirstBytes(read->bytes);
    if (ended()) return false;
    if (step_ == BridgeStep::kAwaitingTurn) {
      KeepFirstBytes(*read);
      return false;
    }
    if (step_ != BridgeStep::kPeeking) {
      if (incoming_.tls() != nullptr) *read = incoming_.DecryptAndAnswer(*read);
      return true;
    }
  }
  const bool left = read->outcome == ReadOutcome::kEnded || read->outcome == ReadOutcome::kFailed;
  if (left) LeftEarly(read->error);
  return false;
}

void Bridge::KeepFirstBytes(const Read& read) {
  // One that has left already shall not cost a handshake.
  if (read.outcome == ReadOutcome::kEnded || read.outcome == ReadOutcome::kFailed) {
    return LeftEarly(read.error);
  }
  opening().first_bytes.assign(reinterpret_cast<const char*>(read.bytes.data()), read.bytes.size());
  observer_->OnHandshakeInput();
}

void Bridge::LeftEarly(int error) {
  End end = End::OfBoth(TerminationReason::kTlsHandshakeFailed, error);
  // One that sent nothing was a probe, however it left.
  end.failure.detail = greeted_ ? tls::FailureDetail::kClientGone : tls::FailureDetail::kTcpProbe;
  ReportEnd(end);
}

}  // namespace tlsbridge
