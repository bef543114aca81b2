#include "router/worker.h"

#include <utility>

namespace tlsbridge {

void Worker::Snapshot::Add(const Snapshot& other) {
  live.records += other.live.records;
  live.sockets += other.live.sockets;
  timers += other.timers;
  queued_bytes += other.queued_bytes;
  stats.Add(other.stats);
}

absl::StatusOr<std::unique_ptr<Worker>> Worker::Create(const Config* config, Admission* admission,
                                                       const Clock* clock, int index, int workers) {
  auto loop = EventLoop::Create(clock);
  if (!loop.ok()) return loop.status();
  return std::unique_ptr<Worker>(new Worker(config, admission, *std::move(loop), index, workers));
}

Worker::Worker(const Config* config, Admission* admission, std::unique_ptr<EventLoop> loop,
               int index, int workers)
    : loop_(std::move(loop)),
      connections_(config, admission, loop_.get(), &memory_, static_cast<uint64_t>(index + 1),
                   static_cast<uint64_t>(workers)) {}

Worker::~Worker() { Join(); }

void Worker::Start(const std::vector<const ListeningSocket*>& sockets) {
  for (const ListeningSocket* socket : sockets) {
    acceptors_.push_back(std::make_unique<Acceptor>(
        loop_.get(), socket, [this, socket](int fd, const SocketAddress& peer) {
          connections_.Accept(fd, peer, &socket->address());
        }));
  }
  thread_ = std::thread([this] { loop_->Run(); });
}

void Worker::Drain(absl::AnyInvocable<void()> on_accepting_stopped,
                   absl::AnyInvocable<void()> on_empty) {
  loop_->Post([this, on_accepting_stopped = std::move(on_accepting_stopped),
               on_empty = std::move(on_empty)]() mutable {
    for (auto& acceptor : acceptors_) acceptor->AcceptAll();
    acceptors_.clear();
    on_accepting_stopped();
    if (connections_.GetConnectionCount() == 0) return on_empty();
    connections_.set_on_empty(std::move(on_empty));
    connections_.BeginDrain();
  });
}

void Worker::EndAll(TerminationReason reason) {
  loop_->Post([this, reason] { connections_.EndAll(reason); });
}

void Worker::Report(bool with_records, absl::AnyInvocable<void(const Snapshot&)> receiver) {
  loop_->Post([this, with_records, receiver = std::move(receiver)]() mutable {
    receiver(Take(with_records));
  });
}

void Worker::Join() {
  if (!thread_.joinable()) return;
  loop_->Stop();
  thread_.join();
  connections_.FinishLog();
}

Worker::Snapshot Worker::FinalSnapshot() const { return Take(/*with_records=*/false); }

Worker::Snapshot Worker::Take(bool with_records) const {
  Snapshot snapshot;
  snapshot.live = connections_.live();
  snapshot.timers = connections_.live_timers();
  snapshot.queued_bytes = connections_.QueuedBytes();
  snapshot.stats = connections_.termination_stats();
  if (with_records) snapshot.records = connections_.DumpRecords();
  return snapshot;
}

}  // namespace tlsbridge
