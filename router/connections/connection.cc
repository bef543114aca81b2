#include "router/connections/connection.h"

#include <errno.h>

#include <algorithm>
#include <utility>

#include "bridge/local_error.h"
#include "bridge/socket_options.h"
#include "router/connections/connection_manager.h"
#include "router/connections/proxy_header.h"
#include "router/log/log.h"
#include "tls/alert_record.h"
#include "tls/backend_session.h"
#include "tls/client_session.h"
#include "tls/signing.h"

namespace tlsbridge {
namespace {

// The reason for a backend that could not be reached.
TerminationReason ConnectFailure(int error) {
  if (error == EACCES || error == EPERM) return TerminationReason::kLocalError;
  // A UNIX socket whose file is gone, or whose backlog is full, is as closed as a port that nobody
  // listens on.
  if (error == ENOENT || error == EAGAIN) return TerminationReason::kEconnrefused;
  return ReasonForErrno(Side::kOutgoing, error);
}

}  // namespace

Connection::Connection(ConnectionManager* manager, std::shared_ptr<const LiveConfig> live,
                       ConnectionRecord record, int fd, Admission::Token token, EventLoop* loop,
                       WorkerMemory* memory)
    : manager_(manager),
      loop_(loop),
      memory_(memory),
      live_record_(&memory->live.records),
      live_(std::move(live)),
      route_(live_->unrouted()),
      metrics_(&route_->state->metrics.ShareOf(manager)),
      token_(std::move(token)),
      record_(std::move(record)),
      attempts_(loop, &record_),
      bridge_(fd, &route_->settings->bridge, this, loop, memory),
      timer_(loop, [this] { MeetDeadlines(); }) {
  record_.route = route_->settings.get();
}

// ---- The way in.

absl::Span<const uint8_t> Connection::OnFirstBytes(absl::Span<const uint8_t> bytes) {
  if (greeting_ == nullptr) {
    greeting_ =
        std::make_unique<Greeting>(live_->ExpectsProxyHeader(*record_.listener, record_.peer));
  }
  const Greeting::Result result = greeting_->Feed(bytes);
  if (!TakeProxyHeader()) return {};
  switch (result) {
    case Greeting::Result::kNeedMore:
      return {};
    case Greeting::Result::kBadProxyHeader:
      Refuse(TerminationReason::kProxyHeader, /*alert=*/0);
      break;
    case Greeting::Result::kWhole:
      ChooseRoute(greeting_->hello());
      break;
    case Greeting::Result::kNotHello: {
      const tls::Refusal& refusal = greeting_->refusal();
      Refuse(TerminationReason::kTlsHandshakeFailed, refusal.alert, refusal.failure);
      break;
    }
  }
  return greeting_->raw();
}

// From now on the client is whom the header names, for limits, rules and the log. False if that
// client is refused.
bool Connection::TakeProxyHeader() {
  const proxy_protocol::Header* header = greeting_->proxy_header();
  if (header == nullptr || record_.proxied != nullptr) return true;
  const bool names_client = header->source.family() != AF_UNSPEC;
  record_.proxied = std::make_unique<ConnectionRecord::Proxied>();
  record_.proxied->by = record_.peer;
  record_.proxied->destination =
      names_client ? header->destination : SocketAddress::LocalOf(bridge_.incoming().fd());
  if (!names_client) return true;
  record_.peer = header->source;
  const TerminationReason refusal = manager_->NameClient(record_.peer, &token_);
  if (refusal == TerminationReason::kNone) return true;
  Refuse(refusal, tls::kInternalErrorAlert);
  return false;
}

void Connection::ChooseRoute(const tls::ClientHello& hello) {
  record_.server_name = hello.server_name;
  const auto route = live_->Find(record_.listener->port(), record_.peer, hello);
  if (route == nullptr) return Refuse(TerminationReason::kNoRoute, tls::kUnrecognizedNameAlert);
  Enter(manager_->Own(route));
  if (record_.cleanup_started) return;  // its deadline had come
  const Route& settings = *route->settings;
  const auto lists = [this](const std::vector<Cidr>& blocks) {
    return std::any_of(blocks.begin(), blocks.end(),
                       [this](const Cidr& block) { return block.Contains(record_.peer); });
  };
  if (lists(settings.deny_ip) || (!settings.allow_ip.empty() && !lists(settings.allow_ip))) {
    return Refuse(TerminationReason::kDenied, tls::kAccessDeniedAlert);
  }
  if (settings.action == RouteAction::kBlock) {
    return Refuse(TerminationReason::kDenied,
                  settings.block_with_alert ? tls::kAccessDeniedAlert : uint8_t{0});
  }
  if (settings.kernel.missed == KernelMissed::kRefuse &&
      route->state->kernel_forwards.load(std::memory_order_relaxed)) {
    return Refuse(TerminationReason::kNftablesHandled, tls::kInternalErrorAlert);
  }
  if (!route->tls.down.empty()) {
    return Refuse(TerminationReason::kRouteDown, tls::kInternalErrorAlert);
  }
  const TerminationReason refusal =
      route->state->admission.Admit(record_.peer, loop_->common_now(), &route_token_);
  if (refusal != TerminationReason::kNone) return Refuse(refusal, tls::kInternalErrorAlert);
  if (route->tls.server == nullptr) return bridge_.PassThrough();
  const tls::ServerContext::Choice choice = route->tls.server->Choose(hello, loop_->clock().Wall());
  if (choice.credential == nullptr) {
    return Refuse(TerminationReason::kTlsHandshakeFailed, choice.alert, choice.failure);
  }
  handshake_slot_ = manager_->handshake_limit().Take();
  if (!handshake_slot_) {
    return Refuse(TerminationReason::kHandshakeLimit, tls::kInternalErrorAlert);
  }
  credential_ = choice.credential;
  staple_ = choice.staple;
  verifiable_ = choice.verifiable;
  // One that resumes needs no signature. That is tried at once, since what it asks for shows only
  // then; if it is nothing, it waits for the signer like the others, with its first step done.
  needs_signer_ = tls::IsSlowToSign(credential_->key.get()) && !hello.resumption_offered;
  bridge_.AwaitTurn();
}

void Connection::OnHandshakeInput() {
  if (greeting_ != nullptr) greeting_->ReleaseBytes();  // the bridge has them
  if (!handshake_slot_) handshake_slot_ = manager_->handshake_limit().TakeAgain();
  AwaitTurn(needs_signer_ ? HandshakeQueue::Needs::kSigner : HandshakeQueue::Needs::kNothing);
}

void Connection::OnClientsTurn() { handshake_slot_.Release(); }

void Connection::AwaitTurn(HandshakeQueue::Needs needs) {
  manager_->handshakes().Add(this, route_->state.get(), needs);
}

// The signer's, which has room for few at a time.
void Connection::Sign(std::shared_ptr<tls::SigningJob> job) {
  needs_signer_ = true;
  if (manager_->signer().has_room()) return manager_->signer().Sign(std::move(job));
  unsigned_ = std::move(job);
  AwaitTurn(HandshakeQueue::Needs::kSigner);
}

void Connection::TakeTurn() {
  if (unsigned_ != nullptr) {
    if (bridge_.ClientStays()) manager_->signer().Sign(std::move(unsigned_));
    return;
  }
  if (bridge_.state() == BridgeState::kPeeking) {
    if (!bridge_.ClientStays()) return;
    manager_->handshakes().CountBegun();
    bridge_.Terminate(tls::ClientSession::Accept(
        *route_->tls.server,
        {.credential = credential_, .staple = staple_, .verifiable = verifiable_}, &memory_->tls,
        this));
  }
  bridge_.StepHandshake();
}

void Connection::Enter(std::shared_ptr<const LiveRoute> route) {
  route_ = std::move(route);
  live_.reset();
  metrics_ = &route_->state->metrics.ShareOf(manager_);
  metrics_->opened.Add();
  bridge_.set_traffic(&metrics_->traffic);
  record_.route = route_->settings.get();
  record_.routed = true;
  record_.lifetime = manager_->DrawLifetime(route_->settings->timeouts.max_lifetime);
  bridge_.set_options(&route_->settings->bridge);
  // Those of the listener, which serves every route, are the defaults.
  if (!record_.listener->is_unix()) {
    ChangeTcpOptions(bridge_.incoming().fd(), TcpOptions(), route_->settings->bridge.tcp);
  }
  if (!manager_->Serves(*record_.route)) return Retire();  // the route went after the client came
  MeetDeadlines();
}

void Connection::Refuse(TerminationReason reason, uint8_t alert, const tls::Failure& failure) {
  End end = End::OfBoth(reason);
  end.alert = alert;
  end.failure = failure;
  manager_->InitiateCleanupOnce(record_, end);
}

// ---- Deadlines.

void Connection::StopWatching() {
  handshake_slot_.Release();
  timer_.Cancel();
  attempts_.Stop();
  HandshakeQueue::Remove(this);
  unsigned_.reset();
}

void Connection::MeetDeadlines() {
  while (!record_.cleanup_started) {
    WithdrawWarningIfActive();
    const Deadline next = NextDeadline(record_, progress());
    if (next.at > loop_->now()) {
      if (next.at < absl::InfiniteFuture()) timer_.ArmAt(next.at);
      return;
    }
    const bool for_silence = next.reason == TerminationReason::kInactivity ||
                             next.reason == TerminationReason::kHalfCloseTimeout;
    if (for_silence && bridge_.LookForProgress()) {
      bridge_.NoteActivity();
      continue;
    }
    const bool may_drain = next.reason == TerminationReason::kMaxLifetime ||
                           next.reason == TerminationReason::kRouteRemoved;
    if (may_drain && DrainsFirst()) continue;
    if (next.reason == TerminationReason::kConnectTimeout) attempts_.TimedOut();
    if (next.reason != TerminationReason::kNone) {
      manager_->InitiateCleanupOnce(record_, End::OfBoth(next.reason));
      return;
    }
    if (bridge_.state() == BridgeState::kConnecting) {
      bridge_.AbandonBackend();
    } else if (bridge_.state() == BridgeState::kHalfClosed) {
      TightenKeepalive();
    } else {
      WarnOfInactivity();
    }
  }
}

Progress Connection::progress() const {
  const bool any_bytes = bridge_.bytes_received() + bridge_.bytes_sent() > 0;
  return {bridge_.state(), bridge_.last_activity(), any_bytes};
}

Deadline Connection::EndsBy() const {
  if (record_.cleanup_started) return {bridge_.closing_deadline(), record_.end.reason};
  const Deadline by_itself = NextEnd(record_, progress(), manager_->drain_timeout());
  const absl::Time shutdown = manager_->drain_deadline();
  return by_itself.at <= shutdown ? by_itself : Deadline{shutdown, TerminationReason::kShutdown};
}

void Connection::ReleaseSlots() {
  Admission::Token().swap(token_);
  Admission::Token().swap(route_token_);
}

void Connection::Retire() {
  if (std::exchange(record_.retired, true)) return;
  record_.lifetime = loop_->now() - record_.accepted_at;
  MeetDeadlines();
}

void Connection::TightenKeepalive() {
  record_.keepalive_tightened = true;
  bridge_.LookForProgress();  // for a later look to compare with
  for (const Endpoint* endpoint : {&bridge_.incoming(), bridge_.outgoing()}) {
    if (endpoint != nullptr) TightenForHalfClose(endpoint->fd(), record_.route->bridge.tcp);
  }
}

void Connection::WarnOfInactivity() {
  record_.inactivity_warned_at = loop_->now();
  const absl::Time end = bridge_.last_activity() +
                         EffectiveInactivity(record_.route->timeouts, record_.route->keep_alive);
  LogEvent(LogLevel::kWarning, "inactivity_warning", record_.least_level())
      .Number("id", record_.id)
      .Text("peer", record_.peer.ToString())
      .Milliseconds("idle_ms", loop_->now() - bridge_.last_activity())
      .Milliseconds("closes_in_ms", end - loop_->now());
}

void Connection::WithdrawWarningIfActive() {
  if (record_.inactivity_warned_at >= bridge_.last_activity() ||
      record_.inactivity_warned_at == absl::InfinitePast()) {
    return;
  }
  record_.inactivity_warned_at = absl::InfinitePast();
  LogEvent(LogLevel::kInfo, "inactivity_warning_withdrawn", record_.least_level())
      .Number("id", record_.id)
      .Text("peer", record_.peer.ToString())
      .Milliseconds("active_before_ms", loop_->now() - bridge_.last_activity());
}

bool Connection::DrainsFirst() {
  const absl::Time latest = record_.accepted_at + record_.lifetime + manager_->drain_timeout();
  if (loop_->now() >= latest || IdleSince(loop_->now() - kDrainIdle)) return false;
  record_.next_drain_look = std::min(latest, loop_->now() + kDrainLook);
  return true;
}

bool Connection::IdleSince(absl::Time time) const {
  if (bridge_.state() != BridgeState::kBridging || bridge_.last_activity() > time) return false;
  const bool awaits_answer =
      bridge_.bytes_received() > 0 && bridge_.last_sender() == Side::kIncoming;
  return !awaits_answer && bridge_.queued_to_client() == 0 && bridge_.queued_to_backend() == 0 &&
         !bridge_.amid_record();
}

Stage Connection::stage() const {
  if (!bridge_.backend_connected()) return Stage::kUnserved;
  // An answer may pause. Where none has begun there is nothing to pause, and what the operator
  // calls inactivity is pause enough.
  absl::Duration pause =
      std::min(kDrainIdle, EffectiveInactivity(record_.route->timeouts, record_.route->keep_alive));
  if (bridge_.bytes_received() + bridge_.bytes_sent() == 0) pause = absl::ZeroDuration();
  return IdleSince(loop_->now() - pause) ? Stage::kIdle : Stage::kUnderWay;
}

// ---- The backend.

std::string Connection::backend() const {
  const BackendPool::Lease& lease = attempts_.lease();
  if (!lease) return "";
  return bridge_.backend_connected() ? lease.addresses()[bridge_.answered()].ToString()
                                     : lease.name();
}

void Connection::OnClientReady() {
  handshake_slot_.Release();
  token_.FinishHandshake();
  record_.client_ready_at = record_.connecting_since = loop_->now();
  if (const tls::ClientSession* session = bridge_.client_tls(); session != nullptr) {
    metrics_->CountHandshake(*session, record_.client_ready_at - record_.accepted_at);
  }
  if (NextBackend()) return Dial();
  Refuse(TerminationReason::kNoBackend, tls::kInternalErrorAlert);
}

bool Connection::NextBackend() {
  return attempts_.Next(route_->backends.get(), manager_->Random());
}

void Connection::Dial() {
  attempts_.Begin(*route_->backends);
  const BackendPool::Lease& lease = attempts_.lease();
  std::unique_ptr<tls::BackendSession> session;
  if (route_->tls.backend != nullptr) {
    const tls::Session* client = bridge_.client_tls();
    const std::string alpn = route_->tls.backend->Offer(client == nullptr ? "" : client->alpn());
    session = tls::BackendSession::Connect(route_->tls.backend, &memory_->tls, lease.name(), alpn);
  }
  bridge_.ConnectBackend(lease.addresses(), std::move(session),
                         ProxyHeaderFor(record_, credential_, bridge_));
  MeetDeadlines();
}

void Connection::OnBackendConnected() {
  record_.connected_at = loop_->now();
  metrics_->connect.Observe(record_.connected_at - record_.connecting_since);
  attempts_.Connected();
  greeting_.reset();
  MeetDeadlines();
}

void Connection::OnFirstAnswer() {
  record_.first_answer_at = loop_->now();
  metrics_->first_byte.Observe(record_.first_answer_at - record_.connected_at);
}

void Connection::OnConnectFailed(int error, const tls::Failure& failure) {
  attempts_.Failed(error);
  // It is no backend's fault, and may be over in a moment.
  if (IsShortage(error) && attempts_.Retry([this] { Dial(); })) return MeetDeadlines();
  if (NextBackend()) return Dial();
  End end =
      End::OfBoth(error != 0 ? ConnectFailure(error) : TerminationReason::kBackendTlsFailed, error);
  end.failure = failure;
  manager_->InitiateCleanupOnce(record_, end);
}

void Connection::OnHalfClosed() {
  record_.half_closed_at = loop_->now();
  MeetDeadlines();
}

void Connection::OnEnded(const End& end) { manager_->InitiateCleanupOnce(record_, end); }

void Connection::OnClosed() { manager_->Forget(this); }

}  // namespace tlsbridge
