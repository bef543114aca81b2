#include "router/connection.h"

#include <errno.h>

#include <algorithm>
#include <utility>

#include "bridge/socket_options.h"
#include "router/connection_manager.h"
#include "router/deadlines.h"
#include "router/log/log.h"

namespace tlsbridge {
namespace {

// The reason for a backend that could not be reached.
TerminationReason ConnectFailure(int error) {
  if (error == EMFILE || error == ENFILE) return TerminationReason::kFdLimit;
  // A UNIX socket whose file is gone, or whose backlog is full, is as closed as a port that nobody
  // listens on.
  if (error == ENOENT || error == EAGAIN) return TerminationReason::kEconnrefused;
  return ReasonForErrno(Side::kOutgoing, error);
}

std::unique_ptr<tls::Session> SessionFor(const Route& route, WorkerMemory* memory) {
  return route.tls == nullptr ? nullptr : tls::Session::Accept(*route.tls, &memory->tls);
}

}  // namespace

Connection::Connection(ConnectionManager* manager, const ConnectionRecord& record, int fd,
                       Admission::Token token, EventLoop* loop, WorkerMemory* memory)
    : manager_(manager),
      loop_(loop),
      live_record_(&memory->live.records),
      token_(std::move(token)),
      record_(record),
      bridge_(fd, SessionFor(*record_.route, memory), &record_.route->bridge, this, loop, memory),
      timer_(loop, [this] { MeetDeadlines(); }) {}

void Connection::MeetDeadlines() {
  while (!record_.cleanup_started) {
    WithdrawWarningIfActive();
    const bool any_bytes = bridge_.bytes_received() + bridge_.bytes_sent() > 0;
    const Deadline next =
        NextDeadline(record_, {bridge_.state(), bridge_.last_activity(), any_bytes});
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
    if (next.reason == TerminationReason::kMaxLifetime && DrainsFirst()) continue;
    if (next.reason != TerminationReason::kNone) {
      manager_->InitiateCleanupOnce(record_, End::OfBoth(next.reason));
      return;
    }
    if (bridge_.state() == BridgeState::kHalfClosed) {
      TightenKeepalive();
    } else {
      WarnOfInactivity();
    }
  }
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
  LogEvent(LogLevel::kWarning, "inactivity_warning")
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
  LogEvent(LogLevel::kInfo, "inactivity_warning_withdrawn")
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
  return !awaits_answer && bridge_.queued_to_client() == 0 && bridge_.queued_to_backend() == 0;
}

void Connection::OnClientReady() {
  record_.client_ready_at = record_.connecting_since = loop_->now();
  bridge_.ConnectBackend(record_.route->backend);
  MeetDeadlines();
}

void Connection::OnBackendConnected() {
  record_.connected_at = loop_->now();
  MeetDeadlines();
}

void Connection::OnConnectFailed(int error) {
  manager_->InitiateCleanupOnce(record_, End::OfBoth(ConnectFailure(error), error));
}

void Connection::OnHalfClosed() {
  record_.half_closed_at = loop_->now();
  MeetDeadlines();
}

void Connection::OnEnded(const End& end) { manager_->InitiateCleanupOnce(record_, end); }

void Connection::OnClosed() { manager_->Forget(this); }

}  // namespace tlsbridge
