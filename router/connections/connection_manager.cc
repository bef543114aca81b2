#include "router/connections/connection_manager.h"

#include <unistd.h>

#include <utility>
#include <vector>

#include "router/connections/connection_dump.h"
#include "router/connections/deadlines.h"

namespace tlsbridge {
namespace {

bool IsHandshakeFailure(TerminationReason reason) {
  return reason == TerminationReason::kTlsHandshakeFailed ||
         reason == TerminationReason::kBackendTlsFailed;
}

}  // namespace

ConnectionManager::ConnectionManager(std::shared_ptr<const LiveConfig> live, Admission* admission,
                                     HandshakeLimit* handshake_limit, FailureFolder* folder,
                                     EventLoop* loop, WorkerMemory* memory, uint64_t first_id,
                                     uint64_t id_step)
    : live_(std::move(live)),
      admission_(admission),
      handshake_limit_(handshake_limit),
      loop_(loop),
      memory_(memory),
      signer_(loop),
      handshakes_(loop, [this] { return signer_.has_room(); }),
      log_(loop, folder),
      walk_(loop, &connections_),
      random_(std::random_device()()),
      next_id_(first_id),
      id_step_(id_step),
      drain_timer_(
          loop, [this] { DrainIdle(); }, Timer::Of::kService) {}

void ConnectionManager::Accept(int fd, const SocketAddress& peer, const SocketAddress* listener) {
  ConnectionRecord record;
  record.id = next_id_;
  next_id_ += id_step_;
  record.peer = peer;
  record.listener = listener;
  record.route = live_->unrouted()->settings.get();
  record.accepted_at = loop_->now();

  Admission::Token token;
  const TerminationReason refusal = live_->ExpectsProxyHeader(*listener, peer)
                                        ? admission_->AdmitUnnamed(&token)
                                        : admission_->Admit(peer, loop_->common_now(), &token);
  if (refusal != TerminationReason::kNone) {
    close(fd);
    record.end = {refusal, refusal, TerminationReason::kNone};
    CountEnd(record.end);
    live_->unrouted()->state->metrics.ShareOf(this).CountEnd(refusal, tls::FailureDetail::kNone);
    log_.WriteRefusal(record);
    if (on_gone_) on_gone_();
    return;
  }

  if (live_->config().log.starts) log_.WriteStart(record);
  const uint64_t id = record.id;
  auto connection = std::make_unique<Connection>(this, live_, std::move(record), fd,
                                                 std::move(token), loop_, memory_);
  Connection* const started = connection.get();
  connections_.emplace(id, std::move(connection));
  if (const int error = started->bridge().error(); error != 0) {
    InitiateCleanupOnce(started->record(),
                        End::OfBoth(ReasonForErrno(Side::kIncoming, error), error));
    return;
  }
  started->MeetDeadlines();
}

TerminationReason ConnectionManager::NameClient(const SocketAddress& client,
                                                Admission::Token* token) {
  return admission_->NameClient(client, loop_->common_now(), token);
}

absl::Duration ConnectionManager::DrawLifetime(absl::Duration max_lifetime) {
  return WithJitter(max_lifetime, std::uniform_real_distribution<double>(0, 1)(random_));
}

void ConnectionManager::Adopt(std::shared_ptr<const LiveConfig> live) {
  live_ = std::move(live);
  own_routes_.clear();
  for (Connection* connection : All()) {
    if (!connection->record().routed) continue;
    if (!Serves(*connection->record().route)) connection->Retire();
  }
}

std::shared_ptr<const LiveRoute> ConnectionManager::Own(
    const std::shared_ptr<const LiveRoute>& route) {
  // Of a configuration that is no longer served: not worth keeping.
  if (live_->ByName(route->settings->name) != route.get()) return route;
  std::shared_ptr<const LiveRoute>& own = own_routes_[route.get()];
  if (own == nullptr) {
    own = {std::make_shared<std::shared_ptr<const LiveRoute>>(route), route.get()};
  }
  return own;
}

std::vector<Connection*> ConnectionManager::All() const {
  std::vector<Connection*> all;
  all.reserve(connections_.size());
  for (const auto& [id, connection] : connections_) all.push_back(connection.get());
  return all;
}

bool ConnectionManager::InitiateCleanupOnce(ConnectionRecord& record, const End& end) {
  if (std::exchange(record.cleanup_started, true)) return false;
  record.end = end;
  record.ended_at = loop_->now();
  // A side that never was has not ended.
  if (record.connecting_since == absl::InfiniteFuture()) {
    record.end.outgoing = TerminationReason::kNone;
  }
  CleanupConnection(*connections_.at(record.id));
  return true;
}

void ConnectionManager::CleanupConnection(Connection& connection) {
  connection.StopWatching();
  Bridge& bridge = connection.bridge();
  const End& end = connection.record().end;
  Endings endings = EndingsFor(end.reason, connection.stage());
  if (end.alert == 0) return bridge.Cleanup(endings);
  endings.incoming = Ending::kAlert;
  bridge.Cleanup(endings, end.alert);
}

void ConnectionManager::Forget(Connection* connection) {
  const auto it = connections_.find(connection->record().id);
  CountEnd(connection->record().end);
  const End& end = connection->record().end;
  connection->metrics().CountEnd(
      end.reason, IsHandshakeFailure(end.reason) ? end.failure.detail : tls::FailureDetail::kNone);
  connection->ReleaseSlots();  // before the log tells that there is room
  log_.WriteEnd(*connection);
  loop_->DeleteLater(std::move(it->second));
  connections_.erase(it);
  if (on_gone_) on_gone_();
  if (connections_.empty() && on_empty_) on_empty_();
}

void ConnectionManager::CountEnd(const End& end) {
  stats_.IncrementConnections(end.reason);
  stats_.IncrementTerminationStat(Side::kIncoming, end.incoming);
  if (end.outgoing != TerminationReason::kNone) {
    stats_.IncrementTerminationStat(Side::kOutgoing, end.outgoing);
  }
}

void ConnectionManager::BeginDrain(absl::Duration timeout) {
  drain_deadline_ = loop_->now() + timeout;
  DrainIdle();
}

void ConnectionManager::DrainIdle() {
  for (Connection* connection : All()) {
    if (!connection->IdleSince(loop_->now() - kDrainIdle)) continue;
    InitiateCleanupOnce(connection->record(), End::OfBoth(TerminationReason::kShutdown));
  }
  if (!connections_.empty()) drain_timer_.ArmAfter(kDrainLook);
}

void ConnectionManager::EndAll(TerminationReason reason) {
  drain_timer_.Cancel();
  for (Connection* connection : All()) {
    InitiateCleanupOnce(connection->record(), End::OfBoth(reason));
  }
}

void ConnectionManager::CutAll(TerminationReason reason) {
  EndAll(reason);
  for (Connection* connection : All()) connection->bridge().CloseNow();
}

void ConnectionManager::List(const IdRange& range, const ConnectionFilter& filter,
                             absl::AnyInvocable<void(Listing)> done) {
  auto listing = std::make_shared<Listing>();
  walk_.Begin(
      range, ConnectionWalk::kThorough,
      [this, filter, listing](Connection& connection) {
        if (!filter.Matches(connection.record(), connection.bridge().state())) return;
        if (!listing->records.empty()) listing->records.push_back(',');
        listing->records.append(DumpConnection(connection, loop_->now()));
        const Bridge& bridge = connection.bridge();
        listing->queued_bytes += bridge.queued_to_client() + bridge.queued_to_backend();
      },
      [listing, done = std::move(done)]() mutable { done(std::move(*listing)); });
}

void ConnectionManager::FindIds(uint64_t after, size_t most, const ConnectionFilter& filter,
                                absl::AnyInvocable<void(std::vector<uint64_t>)> done) {
  if (filter.all()) return done(NextIds(after, most));
  auto ids = std::make_shared<std::vector<uint64_t>>();
  walk_.Begin(
      {.after = after}, ConnectionWalk::kQuick,
      [ids, most, filter](Connection& connection) {
        if (ids->size() == most) return;
        if (!filter.Matches(connection.record(), connection.bridge().state())) return;
        ids->push_back(connection.record().id);
      },
      [ids, done = std::move(done)]() mutable { done(std::move(*ids)); });
}

std::vector<uint64_t> ConnectionManager::NextIds(uint64_t after, size_t most) const {
  std::vector<uint64_t> ids;
  for (auto it = connections_.upper_bound(after); it != connections_.end() && ids.size() < most;
       ++it) {
    ids.push_back(it->first);
  }
  return ids;
}

}  // namespace tlsbridge
