#include "tools/bench/backend/backend_connection.h"

#include <algorithm>
#include <array>

#include "tools/bench/net/pattern.h"
#include "tools/bench/net/protocol.h"

namespace tlsbridge::bench {
namespace {

// The backend has one thread, and no connection keeps bytes here between two calls.
std::array<char, 256 * 1024> g_buffer;

}  // namespace

void BackendConnection::Start(Poller& poller, Socket socket) {
  auto* connection = new BackendConnection(std::move(socket));  // Deletes itself when closed.
  poller.Add(connection->socket_.fd(), connection);
}

void BackendConnection::OnReady(uint32_t epoll_events) {
  socket_.MarkReady(epoll_events);
  blocked_ = false;
  while (state_ != State::kClosed && !blocked_) Advance();
  if (state_ == State::kClosed) delete this;
}

void BackendConnection::Advance() {
  if (!FlushPending()) return;
  if (state_ == State::kSourcing) {
    SourceUntilBlocked();
  } else {
    ReadOnce();
  }
}

void BackendConnection::ReadOnce() {
  const IoResult result = socket_.Receive(absl::MakeSpan(g_buffer));
  switch (result.verdict) {
    case IoStatus::kOk:
      Take(absl::string_view(g_buffer.data(), result.bytes));
      break;
    case IoStatus::kBlocked:
      blocked_ = true;
      break;
    default:
      // The peer has ended, and nothing is pending: closing sends the FIN that it waits for.
      state_ = State::kClosed;
  }
}

void BackendConnection::Take(absl::string_view bytes) {
  switch (state_) {
    case State::kCommand:
      TakeCommand(bytes);
      break;
    case State::kEchoing:
      Reply(bytes);
      break;
    case State::kSinking:
      Sink(bytes);
      break;
    default:
      // Nobody should speak now. Closing with the bytes acknowledged would hide it.
      state_ = State::kClosed;
  }
}

absl::string_view BackendConnection::BehindRecord(absl::string_view bytes) {
  const bool is_record = !record_header_.empty() || bytes.front() == kRecordOfHandshake;
  if (!header_.empty() || !is_record) return bytes;
  if (record_header_.size() < kRecordHeaderBytes) {
    const size_t taken = std::min(kRecordHeaderBytes - record_header_.size(), bytes.size());
    record_header_.append(bytes.data(), taken);
    bytes.remove_prefix(taken);
    if (record_header_.size() < kRecordHeaderBytes) return bytes;
    record_left_ = RecordLength(record_header_);
  }
  const size_t skipped = std::min(record_left_, bytes.size());
  record_left_ -= skipped;
  return bytes.substr(skipped);
}

void BackendConnection::TakeCommand(absl::string_view bytes) {
  bytes = BehindRecord(bytes);
  if (bytes.empty()) return;
  const size_t wanted = 1 + kLengthBytes;
  const char command = header_.empty() ? bytes.front() : header_.front();
  if (command == static_cast<char>(Command::kEcho)) {
    state_ = State::kEchoing;
    Reply(bytes);
    return;
  }
  if (command == static_cast<char>(Command::kOneByte)) {
    state_ = State::kWaiting;
    Reply(bytes.substr(0, 1));
    socket_.ShutdownWrite();
    return;
  }
  const size_t taken = std::min(wanted - header_.size(), bytes.size());
  header_.append(bytes.data(), taken);
  if (header_.size() < wanted) return;
  length_ = DecodeLength(absl::string_view(header_).substr(1));
  if (command == static_cast<char>(Command::kSource)) {
    state_ = State::kSourcing;
  } else if (command == static_cast<char>(Command::kSink)) {
    state_ = State::kSinking;
    Sink(bytes.substr(taken));
  } else {
    state_ = State::kClosed;
  }
}

void BackendConnection::Sink(absl::string_view bytes) {
  // Once a byte is wrong the count stops, whatever comes after it.
  if (matched_ == moved_) matched_ += MatchingBytes(moved_, bytes);
  moved_ += bytes.size();
  if (moved_ < length_) return;
  state_ = State::kWaiting;
  Reply(EncodeLength(moved_ == length_ ? matched_ : 0));
}

void BackendConnection::SourceUntilBlocked() {
  while (moved_ < length_) {
    const size_t left = static_cast<size_t>(std::min<uint64_t>(length_ - moved_, SIZE_MAX));
    const IoResult result = socket_.Send(PatternAt(moved_, left));
    if (result.verdict == IoStatus::kBlocked) {
      blocked_ = true;
      return;
    }
    if (result.verdict != IoStatus::kOk) {
      state_ = State::kClosed;
      return;
    }
    moved_ += result.bytes;
  }
  socket_.ShutdownWrite();
  state_ = State::kWaiting;
}

void BackendConnection::Reply(absl::string_view bytes) {
  const IoResult result = socket_.Send(bytes);
  if (result.verdict == IoStatus::kReset || result.verdict == IoStatus::kFailed) {
    state_ = State::kClosed;
    return;
  }
  pending_ = std::string(bytes.substr(result.bytes));
}

bool BackendConnection::FlushPending() {
  if (pending_.empty()) return true;
  const IoResult result = socket_.Send(pending_);
  if (result.verdict == IoStatus::kBlocked) {
    blocked_ = true;
    return false;
  }
  if (result.verdict != IoStatus::kOk) {
    state_ = State::kClosed;
    return false;
  }
  pending_.erase(0, result.bytes);
  return pending_.empty();
}

}  // namespace tlsbridge::bench
