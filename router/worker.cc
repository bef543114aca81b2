#include "router/worker.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace tlsbridge {
namespace {

// With a count of references of this worker's own, so that workers do not write to one cache line
// at each connection.
std::shared_ptr<const LiveConfig> OwnReference(const std::shared_ptr<const LiveConfig>& live) {
  return {std::make_shared<std::shared_ptr<const LiveConfig>>(live), live.get()};
}

}  // namespace

void Worker::Snapshot::Add(const Snapshot& other) {
  live.records += other.live.records;
  live.sockets += other.live.sockets;
  timers += other.timers;
  queued_bytes += other.queued_bytes;
  handshakes_waiting += other.handshakes_waiting;
  handshakes_begun += other.handshakes_begun;
  stats.Add(other.stats);
  const char* const comma = records.empty() || other.records.empty() ? "" : ",";
  absl::StrAppend(&records, comma, other.records);
}

absl::StatusOr<std::unique_ptr<Worker>> Worker::Create(std::shared_ptr<const LiveConfig> live,
                                                       Admission* admission,
                                                       HandshakeLimit* handshake_limit,
                                                       FailureFolder* folder, const Clock* clock,
                                                       int index, int workers) {
  auto loop = EventLoop::Create(clock);
  if (!loop.ok()) return loop.status();
  return std::unique_ptr<Worker>(
      new Worker(live, admission, handshake_limit, folder, *std::move(loop), index, workers));
}

Worker::Worker(const std::shared_ptr<const LiveConfig>& live, Admission* admission,
               HandshakeLimit* handshake_limit, FailureFolder* folder,
               std::unique_ptr<EventLoop> loop, int index, int workers)
    : index_(index),
      loop_(std::move(loop)),
      connections_(OwnReference(live), admission, handshake_limit, folder, loop_.get(), &memory_,
                   static_cast<uint64_t>(index + 1), static_cast<uint64_t>(workers)) {
  connections_.set_on_gone([this] { load_.fetch_sub(1, std::memory_order_relaxed); });
}

Worker::~Worker() { Join(); }

absl::Status Worker::Start() {
  auto thread = Thread::Start(absl::StrCat("worker ", index_ + 1), [this] {
    runs_on_.store(std::this_thread::get_id(), std::memory_order_relaxed);
    loop_->Run();
  });
  if (!thread.ok()) return thread.status();
  thread_ = *std::move(thread);
  return absl::OkStatus();
}

void Worker::Accept(int fd, const SocketAddress& peer, const SocketAddress* listener) {
  load_.fetch_add(1, std::memory_order_relaxed);
  if (runs_on_.load(std::memory_order_relaxed) == std::this_thread::get_id()) {
    return connections_.Accept(fd, peer, listener);
  }
  loop_->Post([this, fd, peer, listener] { connections_.Accept(fd, peer, listener); });
}

void Worker::Adopt(const std::shared_ptr<const LiveConfig>& live) {
  loop_->Post([this, own = OwnReference(live)]() mutable { connections_.Adopt(std::move(own)); });
}

void Worker::AwaitEmpty(absl::AnyInvocable<void()> on_empty) {
  loop_->Post([this, on_empty = std::move(on_empty)]() mutable {
    if (connections_.GetConnectionCount() == 0) return on_empty();
    connections_.set_on_empty(std::move(on_empty));
  });
}

void Worker::EndIdle(absl::Duration timeout) {
  loop_->Post([this, timeout] { connections_.BeginDrain(timeout); });
}

void Worker::EndAll(TerminationReason reason) {
  loop_->Post([this, reason] { connections_.EndAll(reason); });
}

void Worker::CutAll(TerminationReason reason) {
  loop_->Post([this, reason] { connections_.CutAll(reason); });
}

void Worker::ListConnections(const IdRange& range, const ConnectionFilter& filter,
                             absl::AnyInvocable<void(Snapshot)> receiver) {
  loop_->Post([this, range, filter, receiver = std::move(receiver)]() mutable {
    connections_.List(
        range, filter,
        [this, receiver = std::move(receiver)](ConnectionManager::Listing listing) mutable {
          Snapshot snapshot = Take();
          snapshot.records = std::move(listing.records);
          snapshot.queued_bytes = listing.queued_bytes;
          receiver(std::move(snapshot));
        });
  });
}

void Worker::ReportIds(uint64_t after, size_t most, const ConnectionFilter& filter,
                       absl::AnyInvocable<void(std::vector<uint64_t>)> receiver) {
  loop_->Post([this, after, most, filter, receiver = std::move(receiver)]() mutable {
    connections_.FindIds(after, most, filter, std::move(receiver));
  });
}

void Worker::FindEnded(const RecentEnds::Query& query,
                       absl::AnyInvocable<void(std::vector<RecentEnds::Found>)> receiver) {
  loop_->Post([this, query, receiver = std::move(receiver)]() mutable {
    receiver(connections_.recent_ends().Find(query));
  });
}

void Worker::Join() {
  if (!thread_.joinable()) return;
  loop_->Stop();
  thread_.Join();
  connections_.FinishLog();
}

Worker::Snapshot Worker::FinalSnapshot() const { return Take(); }

Worker::Snapshot Worker::Take() const {
  Snapshot snapshot;
  snapshot.live = connections_.live();
  snapshot.timers = connections_.live_timers();
  snapshot.handshakes_waiting = connections_.handshakes().waiting();
  snapshot.handshakes_begun = connections_.handshakes().begun();
  snapshot.stats = connections_.termination_stats();
  return snapshot;
}

}  // namespace tlsbridge
