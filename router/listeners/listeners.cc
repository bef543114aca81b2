#include "router/listeners/listeners.h"

#include <algorithm>
#include <utility>

namespace tlsbridge {
namespace {

// Whether one of them may be in the other's way: the same port, on addresses of this machine that
// may contain each other.
bool MayOverlap(const SocketAddress& a, const SocketAddress& b) {
  return !a.is_unix() && a.family() == b.family() && a.port() == b.port();
}

bool Wants(absl::Span<const Listener> wanted, const SocketAddress& address) {
  return std::any_of(wanted.begin(), wanted.end(),
                     [&address](const Listener& l) { return l.address == address; });
}

}  // namespace

Listeners::Listeners(EventLoop* accept_loop, std::vector<Worker*> workers)
    : accept_loop_(accept_loop), workers_(std::move(workers)) {}

Listeners::~Listeners() = default;

absl::Status Listeners::Open(absl::Span<const Listener> wanted, InheritedSockets* inherited) {
  const MutexLock lock(mutex_);
  std::vector<std::unique_ptr<Entry>> opened;
  std::vector<Entry*> kept;
  for (const Listener& listener : wanted) {
    const auto it = std::find_if(entries_.begin(), entries_.end(), [&](const auto& entry) {
      return !entry->closed && entry->wanted == listener.address;
    });
    if (it != entries_.end()) {
      kept.push_back(it->get());
      continue;
    }
    opened.push_back(std::make_unique<Entry>());
    opened.back()->wanted = listener.address;
    if (inherited != nullptr) {
      opened.back()->socket = inherited->Take(InheritedSockets::Use::kListener, listener.address);
      if (opened.back()->socket != nullptr) continue;
    }
    std::vector<ListeningSocket*> closing;
    for (const auto& entry : entries_) {
      if (entry->closed || Wants(wanted, entry->wanted)) continue;
      if (MayOverlap(entry->socket->address(), listener.address)) {
        closing.push_back(entry->socket.get());
      }
    }
    auto socket = ListeningSocket::Open(listener.address, closing);
    if (!socket.ok()) return socket.status();
    opened.back()->socket = *std::move(socket);
  }
  for (Entry* entry : kept) entry->open = true;
  for (auto& entry : opened) entries_.push_back(std::move(entry));
  return absl::OkStatus();
}

absl::Status Listeners::StartFirst() {
  for (auto& entry : entries_) {
    entry->acceptor = MakeAcceptor(entry.get());
    if (absl::Status status = entry->acceptor->Start(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

void Listeners::Start() {
  for (auto& entry : entries_) {
    if (entry->open) StartAccepting(entry.get());
  }
}

void Listeners::StartAccepting(Entry* entry) {
  accept_loop_->Post([this, entry] {
    if (entry->acceptor != nullptr) return;
    entry->acceptor = MakeAcceptor(entry);
    entry->acceptor->StartOrRetry();
  });
}

std::unique_ptr<Acceptor> Listeners::MakeAcceptor(Entry* entry) {
  return std::make_unique<Acceptor>(accept_loop_, entry->socket.get(),
                                    [this, entry](int fd, const SocketAddress& peer) {
                                      Dispatch(fd, peer, &entry->socket->address());
                                    });
}

void Listeners::Dispatch(int fd, const SocketAddress& peer, const SocketAddress* listener) {
  Worker* least = *std::min_element(workers_.begin(), workers_.end(),
                                    [](Worker* a, Worker* b) { return a->load() < b->load(); });
  least->Accept(fd, peer, listener);
}

void Listeners::CloseOthers(absl::Span<const Listener> wanted,
                            absl::AnyInvocable<void()> on_closed) {
  std::vector<Entry*> closing;
  {
    const MutexLock lock(mutex_);
    for (auto& entry : entries_) {
      if (!entry->open || Wants(wanted, entry->wanted)) continue;
      entry->open = false;
      closing.push_back(entry.get());
    }
  }
  accept_loop_->Post(
      [this, closing = std::move(closing), on_closed = std::move(on_closed)]() mutable {
        for (Entry* entry : closing) {
          if (entry->acceptor != nullptr) entry->acceptor->AcceptAll();
          const MutexLock lock(mutex_);
          if (entry->open || entry->closed) continue;
          entry->acceptor.reset();
          entry->socket->Close();
          entry->closed = true;
        }
        on_closed();
      });
}

std::vector<Listeners::Entry*> Listeners::OpenOnes() {
  const MutexLock lock(mutex_);
  std::vector<Entry*> open;
  for (auto& entry : entries_) {
    if (entry->open) open.push_back(entry.get());
  }
  return open;
}

std::vector<Listeners::Offered> Listeners::Offer() {
  std::vector<Offered> offered;
  for (const Entry* entry : OpenOnes()) {
    const ListeningSocket& socket = *entry->socket;
    offered.push_back(
        {entry->wanted, socket.address(), socket.fd(), socket.owns_path(), socket.of_unit()});
  }
  return offered;
}

void Listeners::Pause(absl::AnyInvocable<void()> on_paused) {
  accept_loop_->Post([open = OpenOnes(), on_paused = std::move(on_paused)]() mutable {
    for (Entry* entry : open) {
      if (entry->acceptor != nullptr) entry->acceptor->Stop();
    }
    on_paused();
  });
}

void Listeners::Resume() {
  accept_loop_->Post([open = OpenOnes()] {
    for (Entry* entry : open) {
      if (entry->acceptor != nullptr) entry->acceptor->StartOrRetry();
    }
  });
}

void Listeners::HandOver(const std::vector<bool>& taken, absl::AnyInvocable<void()> on_closed) {
  std::vector<Entry*> open = OpenOnes();
  {
    const MutexLock lock(mutex_);
    for (Entry* entry : open) entry->open = false;
  }
  accept_loop_->Post(
      [this, open = std::move(open), taken, on_closed = std::move(on_closed)]() mutable {
        for (size_t i = 0; i < open.size(); ++i) {
          Entry* const entry = open[i];
          if (i < taken.size() && taken[i]) {
            entry->socket->LeavePath();
          } else if (entry->acceptor != nullptr) {
            entry->acceptor->AcceptAll();
          }
          const MutexLock lock(mutex_);
          entry->acceptor.reset();
          entry->socket->Close();
          entry->closed = true;
        }
        on_closed();
      });
}

void Listeners::TakePaths() {
  for (Entry* entry : OpenOnes()) entry->socket->TakePath();
}

std::vector<SocketAddress> Listeners::addresses() const {
  std::vector<SocketAddress> addresses;
  for (const auto& entry : entries_) {
    if (entry->open) addresses.push_back(entry->socket->address());
  }
  return addresses;
}

}  // namespace tlsbridge
