#include "bridge/endpoint.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_struct.h>
#include <event2/event.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace tlsbridge {
namespace {

// The least that is read, however little room there is: a record more or less does not matter, and
// many small reads would.
constexpr size_t kLeastReadBytes = 4096;

// One turn's write of a queue: all of it. libevent's default of 16 KiB costs a turn of the loop
// each.
constexpr size_t kMaxQueuedWriteBytes = 256 * 1024;

// What one turn drains from a peer that still sends to a socket being closed.
constexpr size_t kDiscardBytesPerTurn = 256 * 1024;

// A connection that has been reset delivers nothing more, though the kernel goes on counting.
bool IsDead(int fd) {
  uint8_t state = 0;  // tcp_info::tcpi_state, its first member
  socklen_t length = sizeof(state);
  return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &state, &length) == 0 && state == TCP_CLOSE;
}

size_t Unacknowledged(int fd) {
  int bytes = 0;
  if (ioctl(fd, SIOCOUTQ, &bytes) != 0 || bytes == 0 || IsDead(fd)) return 0;
  return static_cast<size_t>(bytes);
}

bool IsUnixSocket(int fd) {
  int domain = 0;
  socklen_t length = sizeof(domain);
  return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 && domain == AF_UNIX;
}

bool WouldBlock(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

}  // namespace

Endpoint::Endpoint(Side side, int fd, Owner* owner, EventLoop* loop, WorkerMemory* memory)
    : loop_(loop),
      memory_(memory),
      owner_(owner),
      live_socket_(&memory->live.sockets),
      fd_(fd),
      side_(side),
      state_(State::kOpen) {
  Attach();
  ReadByOurselves();
  bufferevent_enable(bufferevent_.get(), EV_READ);
}

Endpoint::Endpoint(Connecting, Side side, int fd, Owner* owner, EventLoop* loop,
                   WorkerMemory* memory)
    : loop_(loop),
      memory_(memory),
      owner_(owner),
      live_socket_(&memory->live.sockets),
      fd_(fd),
      side_(side),
      state_(State::kConnecting),
      pauses_(kNotStarted) {
  Attach();
  // Without an address: the connect() is under way on the descriptor that it has.
  bufferevent_socket_connect(bufferevent_.get(), nullptr, 0);
  ReadByOurselves();
}

Endpoint::~Endpoint() {
  if (state_ != State::kClosed) {
    bufferevent_.reset();
    close(fd_);
  }
}

void Endpoint::Attach() {
  // The descriptor is closed here, never by libevent: how it is closed decides what the peer sees.
  bufferevent_.reset(bufferevent_socket_new(loop_->base(), fd_, 0));
  bufferevent* bev = bufferevent_.get();
  bufferevent_setcb(bev, nullptr, &OnWritten, &OnEvent, this);
  bufferevent_setwatermark(bev, EV_WRITE, kLowMark, 0);
  bufferevent_set_max_single_write(bev, kMaxQueuedWriteBytes);
}

// A bufferevent of libevent 2.1 reads 4 KiB at most, asks for their number before, and allots
// memory for them: three system calls for what one does. Its event for reading, which it goes on to
// enable and to disable, is made to call us instead.
void Endpoint::ReadByOurselves() {
  bufferevent* bev = bufferevent_.get();
  // Its argument stays what it was, by which libevent frees the bufferevent.
  event_assign(&bev->ev_read, loop_->base(), fd_, EV_READ | EV_PERSIST | EV_FINALIZE, &OnReadable,
               bev);
}

// ---- libevent's callbacks: cast and call.

void Endpoint::OnReadable(int, short, void* bev) {
  auto* endpoint = static_cast<Endpoint*>(static_cast<bufferevent*>(bev)->cbarg);
  if (endpoint->state_ == State::kClosing) {
    endpoint->Discard();
  } else if (endpoint->state_ == State::kOpen) {
    endpoint->owner_->OnReadable(*endpoint);
  }
}

void Endpoint::OnWritten(bufferevent*, void* self) {
  auto* endpoint = static_cast<Endpoint*>(self);
  if (endpoint->state_ == State::kClosing) return endpoint->ContinueClosing();
  if (endpoint->state_ != State::kOpen) return;
  endpoint->ShutWriteIfDrained();
  endpoint->owner_->OnDrained(*endpoint);
}

void Endpoint::OnEvent(bufferevent*, short what, void* self) {
  const int error = EVUTIL_SOCKET_ERROR();  // before anything else can change errno
  auto* endpoint = static_cast<Endpoint*>(self);
  if (endpoint->state_ == State::kClosed) return;
  if ((what & BEV_EVENT_CONNECTED) != 0) {
    if (endpoint->state_ == State::kClosing) return;  // its queue is being sent
    endpoint->state_ = State::kOpen;
    endpoint->ResumeReading(kNotStarted);
    endpoint->ShutWriteIfDrained();
    return endpoint->owner_->OnConnected(*endpoint);
  }
  if (endpoint->state_ == State::kClosing) return endpoint->Destroy(/*reset=*/false);
  endpoint->Failed(error);
  if ((what & BEV_EVENT_WRITING) != 0) return endpoint->owner_->OnWriteError(*endpoint, error);
  endpoint->owner_->OnError(*endpoint, error);
}

// ---- Reading.

Endpoint::Read Endpoint::ReadSocket(size_t limit) {
  std::vector<uint8_t>& room = memory_->socket_bytes;
  limit = std::clamp(limit, kLeastReadBytes, room.size());
  const ssize_t n = recv(fd_, room.data(), limit, MSG_DONTWAIT);
  Read read;
  if (n > 0) {
    read.plaintext = absl::MakeConstSpan(room.data(), static_cast<size_t>(n));
    // A short read has emptied the socket: no further call is needed to learn that.
    if (read.plaintext.size() == limit) read.outcome = Outcome::kMore;
  } else if (n == 0) {
    peer_finished_ = true;
    PauseReading(kStreamEnded);
    read.outcome = Outcome::kEnded;
  } else if (!WouldBlock(errno)) {
    read.outcome = Outcome::kFailed;
    read.error = Failed(errno);
  }
  return read;
}

Endpoint::Read Endpoint::ReadSome(size_t limit) {
  const Read read = ReadSocket(limit);
  return tls_ == nullptr ? read : Decrypt(read.plaintext, read.outcome, read.error);
}

Endpoint::Read Endpoint::Decrypt(absl::Span<const uint8_t> ciphertext, Outcome outcome, int error) {
  Read read{{}, outcome, error};
  if (!ciphertext.empty() || outcome == Outcome::kDrained) {
    const tls::Session::Received received = tls_->Receive(ciphertext);
    read.plaintext = received.plaintext;
    if (received.verdict == tls::Verdict::kFailed) read.outcome = Outcome::kTlsFailed;
    if (received.verdict == tls::Verdict::kCleanEof) read.outcome = Outcome::kEnded;
    if (const int failed = TransmitRecords(); failed != 0 && read.outcome != Outcome::kTlsFailed) {
      read.outcome = Outcome::kFailed;
      read.error = failed;
    }
    if (read.outcome == Outcome::kTlsFailed || received.verdict == tls::Verdict::kCleanEof) {
      return read;
    }
  }
  if (outcome == Outcome::kEnded) {
    switch (tls_->ReceiveEof()) {
      case tls::Verdict::kCleanEof:
        break;
      case tls::Verdict::kTruncated:
        read.outcome = Outcome::kTruncated;
        break;
      default:
        read.outcome = Outcome::kTlsFailed;
        break;
    }
  }
  return read;
}

int Endpoint::BeginHandshake() {
  tls_->Start();
  return TransmitRecords();
}

void Endpoint::PauseReading(Pause why) {
  if (pauses_ == 0) bufferevent_disable(bufferevent_.get(), EV_READ);
  pauses_ |= why;
}

void Endpoint::ResumeReading(Pause why) {
  if (pauses_ == 0) return;
  pauses_ &= static_cast<uint8_t>(~why);
  if (pauses_ == 0) bufferevent_enable(bufferevent_.get(), EV_READ);
}

// ---- Writing.

size_t Endpoint::queued_bytes() const {
  if (bufferevent_ == nullptr) return 0;
  return evbuffer_get_length(bufferevent_get_output(bufferevent_.get()));
}

size_t Endpoint::undelivered_bytes() const {
  return state_ == State::kClosed ? 0 : queued_bytes() + Unacknowledged(fd_);
}

bool Endpoint::PeerHasLeft(int* error) const {
  if (peer_finished_) return true;
  pollfd asked = {.fd = fd_, .events = POLLRDHUP, .revents = 0};
  if (poll(&asked, 1, /*timeout=*/0) != 1) return false;
  socklen_t length = sizeof(*error);
  getsockopt(fd_, SOL_SOCKET, SO_ERROR, error, &length);
  return true;
}

int Endpoint::Write(absl::Span<const uint8_t> plaintext) {
  if (tls_ == nullptr) return Transmit(plaintext);
  if (!tls_->Send(plaintext)) {
    memory_->tls.ClearOutput();  // what it has begun must not leave with another session's records
    return EPROTO;
  }
  return TransmitRecords();
}

int Endpoint::TransmitRecords(bool fin_follows) {
  const int error = Transmit(memory_->tls.output(), fin_follows);
  memory_->tls.ClearOutput();
  return error;
}

int Endpoint::Transmit(absl::Span<const uint8_t> bytes, bool fin_follows) {
  if (bytes.empty()) return 0;
  if (connected() && queued_bytes() == 0) {
    // FIN leaves in the same packet.
    const int more = fin_follows ? MSG_MORE : 0;
    const ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT | more);
    if (n < 0 && !WouldBlock(errno)) return Failed(errno);
    if (n > 0) bytes.remove_prefix(static_cast<size_t>(n));
    if (bytes.empty()) return 0;
  }
  return bufferevent_write(bufferevent_.get(), bytes.data(), bytes.size()) == 0 ? 0 : ENOMEM;
}

int Endpoint::Failed(int error) {
  failed_ = true;
  return error;
}

std::string Endpoint::TakeQueue() {
  evbuffer* output = bufferevent_get_output(bufferevent_.get());
  std::string bytes(evbuffer_get_length(output), '\0');
  evbuffer_remove(output, bytes.data(), bytes.size());
  return bytes;
}

int Endpoint::FinishWriting() {
  if (writing_ != Writing::kOpen) return 0;
  writing_ = Writing::kFinishing;
  int error = 0;
  if (tls_ != nullptr) {
    tls_->SendCloseNotify();
    error = TransmitRecords(/*fin_follows=*/true);
    if (error == EPIPE && tls_->close_notify_received() && IsUnixSocket(fd_)) {
      // The client said goodbye and left. A UNIX socket tells so at once, where TCP would take our
      // goodbye; had anything been left unread, it would be ECONNRESET.
      writing_ = Writing::kFinished;
      return 0;
    }
  }
  if (error == 0) ShutWriteIfDrained();
  return error;
}

void Endpoint::ShutWriteIfDrained() {
  if (writing_ != Writing::kFinishing || !connected() || queued_bytes() != 0) return;
  shutdown(fd_, SHUT_WR);
  writing_ = Writing::kFinished;
}

// ---- Ending.

void Endpoint::CleanupSocket(Ending ending) {
  if (state_ == State::kClosing || state_ == State::kClosed) return;
  // A backend that is still being dialled shall have what came for it, as far as the grace goes.
  const bool owes_nothing =
      state_ == State::kConnecting && (ending != Ending::kFlushReset || queued_bytes() == 0);
  if (owes_nothing || failed_ || ending == Ending::kReset) return Destroy(/*reset=*/true);
  state_ = State::kClosing;
  ending_ = ending;
  // UNIX sockets know no reset but this one: the peer of one that is closed with bytes unread gets
  // ECONNRESET behind its last byte. So what it sends from now on stays unread.
  if (ending == Ending::kFlushReset && IsUnixSocket(fd_)) PauseReading(kStreamEnded);
  if (tls_ != nullptr && ending != Ending::kFlushReset) {
    if (ending == Ending::kGraceful) tls_->SendCloseNotify();
    if (ending == Ending::kAlert) tls_->SendInternalError();
    if (TransmitRecords(/*fin_follows=*/true) != 0) return Destroy(/*reset=*/false);
  }
  if (ending != Ending::kFlushReset && writing_ == Writing::kOpen) writing_ = Writing::kFinishing;
  ContinueClosing();
}

void Endpoint::ContinueClosing() {
  if (state_ != State::kClosing || queued_bytes() != 0) return;
  if (ending_ == Ending::kFlushReset) {
    // A reset throws away what the kernel has not sent yet, so it waits until the peer's kernel has
    // all.
    if (Unacknowledged(fd_) > 0) return;
    return Destroy(/*reset=*/true);
  }
  ShutWriteIfDrained();
  if (peer_finished_) return Destroy(/*reset=*/false);
  // Bytes left unread, or that arrive after close(), would make the kernel send RST, which may
  // overtake what the peer has not read yet. So the peer's end is awaited, and what it still sends
  // is thrown away.
  if (pauses_ != 0) {
    pauses_ = 0;
    bufferevent_enable(bufferevent_.get(), EV_READ);
  }
}

void Endpoint::Discard() {
  std::vector<uint8_t>& room = memory_->socket_bytes;
  for (size_t taken = 0; taken < kDiscardBytesPerTurn;) {
    const ssize_t n = recv(fd_, room.data(), room.size(), MSG_DONTWAIT);
    if (n < 0 && !WouldBlock(errno)) return Destroy(/*reset=*/false);
    if (n == 0) {
      peer_finished_ = true;
      PauseReading(kStreamEnded);
      return ContinueClosing();
    }
    if (n < static_cast<ssize_t>(room.size())) return;
    taken += room.size();
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
  bufferevent_.reset();
  if (reset) {
    const linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  }
  close(fd_);
  owner_->OnClosed(*this);
}

}  // namespace tlsbridge
