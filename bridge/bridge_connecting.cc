// How a bridge comes by its backend.

#include <errno.h>

#include <memory>
#include <string>
#include <utility>

#include "bridge/as_bytes.h"
#include "bridge/bridge.h"
#include "bridge/bridge_event.h"
#include "bridge/quick_ack.h"

namespace tlsbridge {
namespace {

// True if we owe the client no answer to the last flight of its handshake.
bool EndedWithClientsFlight(const tls::Session* session) {
  return session != nullptr &&
         (session->resumed() || absl::string_view(session->version()) == "TLSv1.3");
}

}  // namespace

Bridge::Opening& Bridge::opening() {
  if (opening_ == nullptr) opening_ = std::make_unique<Opening>();
  return *opening_;
}

const std::string& Bridge::early_bytes() const {
  static const auto* const none = new std::string();
  return opening_ == nullptr ? *none : opening_->early_bytes;
}

void Bridge::ConnectBackend(absl::Span<const SocketAddress> addresses,
                            std::unique_ptr<tls::Session> tls, absl::string_view preamble) {
  if (ended()) return;
  Enter(BridgeStep::kDialling);
  opening().backend_tls = std::move(tls);
  opening().preamble.assign(preamble.data(), preamble.size());
  opening().race =
      std::make_unique<RaceDialer>(loop_, &memory_->live, addresses, options_->tcp,
                                   [this](const RaceDialer::Result& result) { OnDialled(result); });
}

void Bridge::OnDialled(const RaceDialer::Result& result) {
  const Event event(this);
  if (step_ == BridgeStep::kDraining) return ServeLate(result);
  if (result.fd < 0) return FailedToConnect(result.error);
  AdoptBackend(result);
}

void Bridge::AdoptBackend(const RaceDialer::Result& result) {
  Endpoint::Owner* const owner = this;  // the base is private
  answered_ = static_cast<uint16_t>(result.index);
  outgoing_ = std::make_unique<Endpoint>(Side::kOutgoing, result.fd, owner, loop_, memory_);
  opening_->race.reset();
  if (outgoing_->error() != 0) return FailedToConnect(outgoing_->error());
  std::string& preamble = opening_->preamble;
  if (opening_->backend_tls == nullptr) return BackendReady();
  if (!preamble.empty()) {
    const int error = outgoing_->Write(AsBytes(preamble));
    if (error != 0) return FailedToConnect(error);
    preamble.clear();
  }
  Enter(BridgeStep::kBackendHandshaking);
  outgoing_->StartTls(std::move(opening_->backend_tls));
  const Read begun = outgoing_->BeginHandshake();
  if (begun.outcome == ReadOutcome::kTlsFailed) {
    FailedToConnect(0, outgoing_->tls()->failure());
  } else if (begun.outcome == ReadOutcome::kFailed) {
    FailedToConnect(begun.error);
  }
}

// The backend is there when it has taken what the client has sent so far; one that fails at that
// leaves it for the next.
void Bridge::BackendReady() {
  // In one piece with what is to go ahead of it.
  std::string& preamble = opening_->preamble;
  const std::string& first =
      preamble.empty() ? opening_->early_bytes : preamble.append(opening_->early_bytes);
  if (!first.empty()) {
    const int error = outgoing_->Write(AsBytes(first));
    if (outgoing_->tls_failed()) return FailedToConnect(0, outgoing_->tls()->failure());
    if (error != 0) return FailedToConnect(error);
  }
  opening_.reset();
  Enter(BridgeStep::kBridging);
  last_activity_ = loop_->now();
  // Only now, since before there was nobody to take a request: of most clients it has come
  // meanwhile.
  const bool awaits_first_request = bytes_received() == 0 && streams_ == Streams::kBothOpen;
  if (awaits_first_request && EndedWithClientsFlight(incoming_.tls())) {
    AcknowledgeNow(incoming_.fd());
  }
  observer_->OnBackendConnected();
  if (ended()) return;
  if (HasEnded(streams_, Side::kIncoming)) {
    const int error = outgoing_->FinishWriting();
    Enter(BridgeStep::kHalfClosed);
    if (ended()) return;
    if (error != 0) return OnWriteError(*outgoing_, error);
    return CheckEnd();
  }
  if (QueuedFrom(incoming_) < MarkFor(incoming_)) Resume(incoming_, Endpoint::kOtherSideFull);
}

void Bridge::FailedToConnect(int error, const tls::Failure& failure) {
  if (ended()) return;
  const tls::Failure why = failure;  // that of a session which ends here
  Enter(BridgeStep::kRouting);
  if (outgoing_ != nullptr) {
    std::unique_ptr<Endpoint> failed = std::move(outgoing_);
    // Where TLS failed, the backend may still read the alert that tells why.
    const bool tls_failed = why.detail != tls::FailureDetail::kNone;
    failed->CleanupSocket(tls_failed ? Ending::kQuiet : Ending::kReset);
    failed->ForceClose();
    loop_->DeleteLater(std::move(failed));  // its callback is still on the stack
  }
  opening().preamble.clear();
  opening_->backend_tls.reset();
  opening_->race.reset();
  observer_->OnConnectFailed(error, why);
}

void Bridge::AbandonBackend() {
  const Event event(this);
  FailedToConnect(ETIMEDOUT);
}

}  // namespace tlsbridge
