#include "tools/bench/backend/relay_connection.h"

#include <array>
#include <utility>

namespace tlsbridge::bench {
namespace {

// The relay has one thread, and no connection keeps bytes here between two calls.
std::array<char, 128 * 1024> g_buffer;

}  // namespace

RelayConnection::RelayConnection(Poller& poller, Socket client, Socket backend,
                                 std::function<void(RelayConnection*)> on_closed)
    : on_closed_(std::move(on_closed)) {
  client_.owner = backend_.owner = this;
  client_.socket = std::move(client);
  backend_.socket = std::move(backend);
  poller.Add(client_.socket.fd(), &client_);
  poller.Add(backend_.socket.fd(), &backend_);
}

void RelayConnection::Side::OnReady(uint32_t epoll_events) {
  if (!socket.valid()) return;  // The other side closed both in this turn.
  socket.MarkReady(epoll_events);
  // Only one direction can have become possible that was not, but which one the event does not say.
  owner->Pump();
}

void RelayConnection::Pump() {
  PumpDirection(client_, backend_);
  if (client_.socket.valid()) PumpDirection(backend_, client_);
  if (client_.read_ended && backend_.read_ended && client_.pending.empty() &&
      backend_.pending.empty()) {
    Close();
  }
}

void RelayConnection::PumpDirection(Side& from, Side& to) {
  while (true) {
    if (!to.pending.empty()) {
      const IoResult sent = to.socket.Send(to.pending);
      if (sent.verdict == IoStatus::kBlocked) return;
      if (sent.verdict != IoStatus::kOk) return Close();
      to.pending.erase(0, sent.bytes);
      if (!to.pending.empty()) continue;
      if (from.read_ended) return to.socket.ShutdownWrite();
    }
    if (from.read_ended) return;
    const IoResult result = from.socket.Receive(absl::MakeSpan(g_buffer));
    if (result.verdict == IoStatus::kBlocked) return;
    if (result.verdict == IoStatus::kEnd) {
      from.read_ended = true;
      return to.socket.ShutdownWrite();
    }
    if (result.verdict != IoStatus::kOk) return Close();
    const absl::string_view bytes(g_buffer.data(), result.bytes);
    const IoResult sent = to.socket.Send(bytes);
    if (sent.verdict == IoStatus::kReset || sent.verdict == IoStatus::kFailed) return Close();
    to.pending = std::string(bytes.substr(sent.bytes));
  }
}

void RelayConnection::Close() {
  if (!client_.socket.valid()) return;
  client_.socket.Close();
  backend_.socket.Close();
  on_closed_(this);
}

}  // namespace tlsbridge::bench
