#include "tools/chaos/backend.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tlsbridge::chaos {
namespace {

constexpr size_t kBytesPerStep = 256 * 1024;
constexpr int kSmallBufferBytes = 64 * 1024;

}  // namespace

Backend::Backend(BackendMode mode, World* world, Ledger* ledger, absl::Duration patience)
    : mode_(mode), world_(world), ledger_(ledger), patience_(patience) {}

absl::Status Backend::Open() {
  const bool never = mode_ == BackendMode::kNeverAnswers;
  const int backlog = mode_ == BackendMode::kRefuses ? -1 : never ? 0 : 4096;
  // A receive buffer cannot shrink under a window that the peer has been told of: only what the
  // listener has is inherited.
  const int buffer_bytes = mode_ == BackendMode::kServerFirst ? kSmallBufferBytes : 0;
  absl::StatusOr<Socket> listener = Socket::Listen(backlog, buffer_bytes);
  if (!listener.ok()) return listener.status();
  listener_ = *std::move(listener);
  if (mode_ == BackendMode::kRefuses) return absl::OkStatus();
  if (!never) {
    world_->Watch(listener_.fd(), this);
    return absl::OkStatus();
  }
  // With its queue full the kernel answers no SYN any more.
  for (int i = 0; i < 3; ++i) {
    absl::StatusOr<Socket> blocker = Socket::Dial(address(), 0);
    if (!blocker.ok()) return blocker.status();
    blockers_.push_back(*std::move(blocker));
  }
  return absl::OkStatus();
}

void Backend::Step() {
  for (Socket socket = listener_.Accept(); socket.valid(); socket = listener_.Accept()) {
    const uint64_t token = ++accepted_;
    if (mode_ == BackendMode::kResets) {
      socket.Reset();
      continue;
    }
    auto connection = std::make_shared<BackendConnection>(this, std::move(socket), token);
    connections_[token] = connection;
    connection->Begin();
  }
}

void Backend::Claim(uint64_t token, uint64_t number) {
  if (const auto gone = gone_.find(token); gone != gone_.end()) {
    // Its client may be told of it later than the backend is told of the client's end.
    if (Case* c = ledger_->BindBackend(number, nullptr); c != nullptr) {
      c->backend.sent = gone->second.sent;
      c->backend.received = gone->second.received;
      c->backend.peer_end = gone->second.peer_end;
      ledger_->BackendDone(c);
    }
    return;
  }
  const auto found = connections_.find(token);
  if (found == connections_.end()) {
    return ledger_->Violation(
        absl::StrCat("connection ", number, " received a header of no backend's connection"));
  }
  found->second->Bind(number);
}

BackendConnection::BackendConnection(Backend* backend, Socket socket, uint64_t token)
    : backend_(backend), socket_(std::move(socket)), token_(token) {
  verifier_.Begin(backend->mode() == BackendMode::kServerFirst ? 0 : kHeaderBytes);
}

void BackendConnection::Begin() {
  deadline_ = World::Now() + backend_->patience_;
  backend_->world_->Watch(socket_.fd(), this);
  backend_->world_->WakeAfter(this, backend_->patience_);
  if (backend_->mode() == BackendMode::kServerFirst) {
    header_sent_ = socket_.Send(EncodeHeader(token_));
  }
}

void BackendConnection::Bind(uint64_t number) {
  c_ = backend_->ledger_->BindBackend(number, shared_from_this());
  if (c_ == nullptr) {
    return backend_->ledger_->Violation(absl::StrCat(
        "a backend's connection was taken for that of ", number, ", which has none or another"));
  }
  c_->backend.sent = header_sent_;
  content_.emplace(c_->plan.number, From::kBackend);
  expected_.emplace(c_->plan.number, From::kClient);
  if (c_->plan.backend.buffer_bytes > 0) socket_.ShrinkSendBuffer(c_->plan.backend.buffer_bytes);
  backend_->world_->WakeSoon(this);
}

void BackendConnection::Step() {
  if (finished_) return;
  if (World::Now() >= deadline_) {
    if (c_ != nullptr) c_->backend.hung = true;
    // Behind FIN it waits for a name, which a client that has left does not tell.
    if (c_ == nullptr && socket_.peer_end() == PeerEnd::kOpen) {
      backend_->ledger_->Violation("a backend without a client's header hung");
    }
    return Done();
  }
  Receive();
  if (c_ != nullptr) {
    if (FaultIsDue()) return Fail();
    Produce();
    if (FaultIsDue()) return Fail();
  }
  if (Finished()) Done();
}

void BackendConnection::Receive() {
  if (c_ != nullptr && !stall_over_ && verifier_.received() >= c_->plan.backend.stall_at) {
    if (stalled_until_ == absl::InfinitePast()) {
      stalled_until_ = World::Now() + c_->plan.backend.stall;
      backend_->world_->WakeAfter(this, c_->plan.backend.stall);
    }
    if (World::Now() < stalled_until_) return;
    stall_over_ = true;
  }
  std::string bytes;
  if (socket_.Receive(&bytes, kBytesPerStep)) backend_->world_->WakeSoon(this);
  const bool had_header = verifier_.header_complete();
  verifier_.Receive(bytes);
  if (!had_header && verifier_.header_complete()) {
    Bind(DecodeHeader(verifier_.header()));
  }
  if (c_ == nullptr) return;
  if (!verifier_.Check(*expected_)) c_->backend.garbled = true;
  c_->backend.received = verifier_.received();
  c_->backend.peer_end = socket_.peer_end();
}

void BackendConnection::Produce() {
  const Script& script = c_->plan.backend;
  const uint64_t last = std::min(script.bytes, c_->plan.fault_at_sent);
  size_t taken = 0;
  while (body_sent_ < last && !socket_.broken()) {
    if (World::Now() < paused_until_) return;
    if (body_sent_ >= script.hold_at && c_->backend.peer_end == PeerEnd::kOpen) return;
    uint64_t length = std::min<uint64_t>(script.write_size, last - body_sent_);
    if (script.hold_at > body_sent_) length = std::min(length, script.hold_at - body_sent_);
    const size_t sent = socket_.Send(content_->At(body_sent_, length));
    if (sent == 0) return;
    body_sent_ += sent;
    taken += sent;
    c_->backend.sent = header_sent_ + body_sent_;
    if (writes_++ < script.pauses) {
      paused_until_ = World::Now() + script.pause;
      backend_->world_->WakeAfter(this, script.pause);
      return;
    }
    if (taken >= kBytesPerStep) return backend_->world_->WakeSoon(this);
  }
  if (World::Now() < paused_until_ || c_->plan.backend_fails()) return;
  if (body_sent_ >= script.hold_at && c_->backend.peer_end == PeerEnd::kOpen) return;
  const bool silent = c_->plan.kind == Kind::kIdle ||
                      (c_->plan.kind == Kind::kHalfClosedIdle && c_->plan.client_ends_first);
  if (silent || socket_.broken() || c_->backend.own_end != OwnEnd::kNone) return;
  c_->backend.own_end = OwnEnd::kFin;
  socket_.Fin();
}

bool BackendConnection::FaultIsDue() const {
  if (!c_->plan.backend_fails()) return false;
  const uint64_t header = verifier_.received() - verifier_.checked() - verifier_.waiting();
  return body_sent_ >= c_->plan.fault_at_sent ||
         verifier_.received() - header >= c_->plan.fault_at_received;
}

void BackendConnection::Fail() {
  if (c_->plan.kind == Kind::kBackendResets) {
    c_->backend.own_end = OwnEnd::kReset;
    socket_.Reset();
  } else {
    c_->backend.own_end = OwnEnd::kClosed;
    if (c_->plan.fin_before_vanishing) socket_.Fin();
  }
  Done();
}

bool BackendConnection::Finished() const {
  if (c_ == nullptr) {
    // Behind FIN, its client still has to tell whose it is.
    const bool named_by_client = backend_->mode() == BackendMode::kServerFirst;
    return socket_.peer_end() == PeerEnd::kReset ||
           (socket_.peer_end() == PeerEnd::kFin && !named_by_client);
  }
  if (c_->backend.peer_end == PeerEnd::kOpen) return false;
  if (c_->backend.peer_end == PeerEnd::kReset || socket_.broken()) return true;
  if (c_->plan.kind == Kind::kHalfClosedIdle && c_->plan.client_ends_first) return c_->client.done;
  return c_->plan.waits_for_timeout() || c_->backend.own_end != OwnEnd::kNone;
}

void BackendConnection::Done() {
  finished_ = true;
  const PeerEnd end = socket_.peer_end();
  socket_.Close();
  if (c_ != nullptr) {
    backend_->ledger_->BackendDone(c_);
  } else {
    backend_->gone_[token_] = {header_sent_, verifier_.received(), end};
    backend_->ledger_->StrangerDone(end);
  }
  backend_->world_->Bury(shared_from_this());
  backend_->connections_.erase(token_);
}

}  // namespace tlsbridge::chaos
