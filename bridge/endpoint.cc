// How an endpoint reads and writes. How it ends is in endpoint_ending.cc.

#include "bridge/endpoint.h"

#include <errno.h>

#include <utility>

namespace tlsbridge {

Endpoint::Endpoint(Side side, int fd, Owner* owner, EventLoop* loop, WorkerMemory* memory)
    : memory_(memory),
      owner_(owner),
      socket_(fd, kLowMark, this, loop, &memory->live),
      side_(side) {
  if (socket_.error() != 0) failed_ = true;
}

Endpoint::~Endpoint() = default;

// ---- The socket's calls. Once it is being closed they are no concern of the owner's.

void Endpoint::OnReadable() {
  if (state_ == State::kClosing) return Discard();
  if (state_ == State::kOpen) owner_->OnReadable(*this);
}

void Endpoint::OnDrained() {
  if (state_ == State::kClosing) return ContinueClosing();
  if (state_ != State::kOpen) return;
  ShutWriteIfDrained();
  owner_->OnDrained(*this);
}

void Endpoint::OnWriteFailed(int error) {
  if (state_ == State::kClosing) return Destroy(/*reset=*/false);
  if (state_ != State::kOpen) return;
  failed_ = true;
  owner_->OnWriteError(*this, error);
}

void Endpoint::OnHangup(int error) {
  if (state_ != State::kOpen || failed_) return;  // closing, it hears by itself, or the grace ends
  failed_ = true;
  owner_->OnHangup(*this, error);
}

// ---- Reading.

Read Endpoint::ReadSome(size_t limit) {
  const Read read = socket_.ReadInto(&memory_->socket_bytes, limit);
  if (read.outcome == ReadOutcome::kEnded) peer_finished_ = true;
  if (read.outcome == ReadOutcome::kFailed) failed_ = true;
  if (!tls_.active()) return read;
  const Read plain = DecryptAndAnswer(read);
  // Behind close_notify nothing counts, so that it need not be asked for.
  const bool emptied = read.outcome == ReadOutcome::kDrained;
  if (emptied && plain.outcome == ReadOutcome::kEnded && socket_.fin_heard()) peer_finished_ = true;
  return plain;
}

SplicePipe::Moved Endpoint::MoveTo(Endpoint* to, size_t limit) {
  const SplicePipe::Moved moved =
      socket_.MoveTo(&to->socket_, &memory_->pipe, &memory_->socket_bytes, limit);
  if (moved.outcome == ReadOutcome::kEnded) peer_finished_ = true;
  if (moved.outcome == ReadOutcome::kFailed) failed_ = true;
  if (moved.write_error != 0) to->failed_ = true;
  return moved;
}

Read Endpoint::DecryptAndAnswer(const Read& ciphertext) {
  const TlsFraming::Output output(&memory_->tls);
  Read read = tls_.Decrypt(ciphertext);
  const int error = Transmit(output.records());
  if (error != 0 && read.outcome != ReadOutcome::kTlsFailed) {
    read.outcome = ReadOutcome::kFailed;
    read.error = error;
  }
  return read;
}

Read Endpoint::BeginHandshake() {
  const TlsFraming::Output output(&memory_->tls);
  Read read;
  if (tls()->Start() == tls::Verdict::kFailed) {
    read.outcome = ReadOutcome::kTlsFailed;
  } else if (read.error = Transmit(output.records()); read.error != 0) {
    read.outcome = ReadOutcome::kFailed;
  }
  return read;
}

void Endpoint::PauseReading(Pause why) {
  const bool was_reading = pauses_ == 0;
  pauses_ |= why;
  if (was_reading) socket_.StopReading();
}

int Endpoint::ResumeReading(Pause why) {
  if (pauses_ == 0) return 0;
  pauses_ &= static_cast<uint8_t>(~why);
  return pauses_ == 0 ? socket_.StartReading() : 0;
}

// ---- Writing.

int Endpoint::Write(absl::Span<const uint8_t> plaintext) {
  if (!tls_.active()) return Transmit(plaintext);
  const TlsFraming::Output output(&memory_->tls);
  if (!tls_.Encrypt(plaintext)) {
    tls_failed_ = true;
    return EPROTO;
  }
  return Transmit(output.records());
}

int Endpoint::Transmit(absl::Span<const uint8_t> bytes, bool fin_follows) {
  const int error = socket_.Send(bytes, fin_follows);
  if (error != 0) failed_ = true;
  return error;
}

}  // namespace tlsbridge
