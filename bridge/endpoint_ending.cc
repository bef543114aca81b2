// How an endpoint ends its stream, and its socket.

#include <errno.h>
#include <sys/socket.h>

#include <utility>

#include "bridge/endpoint.h"

namespace tlsbridge {
namespace {

// What one turn drains from a peer that still sends to a socket being closed.
constexpr size_t kDiscardBytesPerTurn = 256 * 1024;

}  // namespace

// ---- The stream.

int Endpoint::FinishWriting(Fin fin) {
  if (writing_ != Writing::kOpen) return 0;
  writing_ = Writing::kFinishing;
  const int error = SayGoodbye(Ending::kGraceful);
  if (error == EPIPE && tls_.active() && tls()->close_notify_received() && socket_.is_unix()) {
    // The client said goodbye and left. A UNIX socket tells so at once, where TCP would take our
    // goodbye; had anything been left unread, it would be ECONNRESET.
    writing_ = Writing::kFinished;
    return 0;
  }
  if (error != 0) return error;
  if (fin == Fin::kByClosing && queued_bytes() == 0) {
    writing_ = Writing::kFinished;
    fin_due_ = true;
  }
  ShutWriteIfDrained();
  return 0;
}

void Endpoint::SendFin() {
  if (std::exchange(fin_due_, false)) socket_.ShutWrite();
}

void Endpoint::LetGo() {
  failed_ = true;
  writing_ = Writing::kFinished;
  PauseReading(kStreamEnded);
}

// The last words of TLS for `ending`, if it has any.
int Endpoint::SayGoodbye(Ending ending) {
  if (!tls_.active()) return 0;
  const TlsFraming::Output output(&memory_->tls);
  if (ending == Ending::kGraceful && !tls_failed_) tls()->SendCloseNotify();
  if (ending == Ending::kAlert) tls()->SendInternalError();
  return Transmit(output.records(), /*fin_follows=*/true);
}

void Endpoint::ShutWriteIfDrained() {
  if (writing_ != Writing::kFinishing || queued_bytes() != 0) return;
  socket_.ShutWrite();
  writing_ = Writing::kFinished;
}

// ---- The socket.

void Endpoint::CleanupSocket(Ending ending) {
  if (state_ != State::kOpen) return;
  if (failed_ || ending == Ending::kReset) return Destroy(/*reset=*/true);
  state_ = State::kClosing;
  ending_ = ending;
  if (ending == Ending::kFlushReset) {
    // UNIX sockets know no reset but this one: the peer of one that is closed with bytes unread
    // gets ECONNRESET behind its last byte. So what it sends from now on stays unread.
    if (socket_.is_unix()) PauseReading(kStreamEnded);
  } else {
    if (SayGoodbye(ending) != 0) return Destroy(/*reset=*/false);
    if (writing_ == Writing::kOpen) writing_ = Writing::kFinishing;
  }
  ContinueClosing();
}

void Endpoint::ContinueClosing() {
  if (state_ != State::kClosing || queued_bytes() != 0) return;
  if (ending_ == Ending::kFlushReset) {
    // A reset throws away what the kernel has not sent yet, so it waits until the peer's kernel has
    // all.
    if (socket_.unacknowledged_bytes() > 0) return;
    return Destroy(/*reset=*/true);
  }
  if (peer_finished_) return Destroy(/*reset=*/false);  // which makes FIN
  ShutWriteIfDrained();
  // Bytes left unread, or that arrive after close(), would make the kernel send RST, which may
  // overtake what the peer has not read yet. So the peer's end is awaited, and what it still sends
  // is thrown away.
  if (pauses_ == 0) return;
  pauses_ = 0;
  if (socket_.StartReading() != 0) Destroy(/*reset=*/false);
}

void Endpoint::Discard() {
  for (size_t taken = 0; taken < kDiscardBytesPerTurn;) {
    const Read read = socket_.ReadInto(&memory_->socket_bytes, memory_->socket_bytes.size());
    if (read.outcome == ReadOutcome::kFailed) return Destroy(/*reset=*/false);
    if (read.outcome == ReadOutcome::kEnded) {
      peer_finished_ = true;
      ContinueClosing();
      // What is queued for it leaves first; until then FIN would be told in every turn.
      if (state_ == State::kClosing) PauseReading(kStreamEnded);
      return;
    }
    if (read.outcome != ReadOutcome::kMore) return;
    taken += read.bytes.size();
  }
}

void Endpoint::ForceClose() {
  if (state_ == State::kClosed) return;
  // What the kernel has taken it goes on sending after close(); only what it has not taken is lost,
  // and must not look like an orderly end.
  Destroy(/*reset=*/queued_bytes() != 0 || ending_ == Ending::kFlushReset);
}

void Endpoint::Destroy(bool reset) {
  state_ = State::kClosed;
  dropped_bytes_ = queued_bytes();
  socket_.Close(reset);
  owner_->OnClosed(*this);
}

}  // namespace tlsbridge
