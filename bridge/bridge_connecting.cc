// How a bridge comes by its backend.

#include <errno.h>

#include <memory>
#include <string>
#include <utility>

#include "bridge/as_bytes.h"
#include "bridge/bridge.h"
#include "bridge/dial.h"
#include "bridge/quick_ack.h"

namespace tlsbridge {
namespace {

// True if we owe the client no answer to the last flight of its handshake.
bool EndedWithClientsFlight(const tls::Session* session) {
  return session != nullptr &&
         (session->resumed() || absl::string_view(session->version()) == "TLSv1.3");
}

}  // namespace

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
  if (QueuedFrom(incoming_) < incoming_.mark_for_other())
    incoming_.ResumeReading(Endpoint::kOtherSideFull);
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
  // Only now, since before there was nobody to take a request: of most clients it has come
  // meanwhile.
  const bool awaits_first_request = bytes_received() == 0 && !first_ended_.has_value();
  if (awaits_first_request && EndedWithClientsFlight(incoming_.tls())) {
    AcknowledgeNow(incoming_.fd());
  }
  observer_->OnBackendConnected();
  if (!ended() && outgoing_->tls() != nullptr) ServeEarlyBytes();
}

}  // namespace tlsbridge
