#include "bridge/buffered_socket.h"

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

// ReadByOurselves() relies on a bufferevent of these: that its first event is `ev_read`, which
// nothing but enabling and disabling touches. Its header says that this may change.
static_assert(LIBEVENT_VERSION_NUMBER >= 0x02010a00 && LIBEVENT_VERSION_NUMBER < 0x02020000,
              "bridge/buffered_socket.cc is written for libevent 2.1.10 and its successors of 2.1");

// The least that is read, however little room there is: a record more or less does not matter, and
// many small reads would.
constexpr size_t kLeastReadBytes = 4096;

// One turn's write of a queue: all of it. libevent's default of 16 KiB costs a turn of the loop
// each.
constexpr size_t kMaxQueuedWriteBytes = 256 * 1024;

// A connection that has been reset delivers nothing more, though the kernel goes on counting.
bool IsDead(int fd) {
  uint8_t state = 0;  // tcp_info::tcpi_state, its first member
  socklen_t length = sizeof(state);
  return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &state, &length) == 0 && state == TCP_CLOSE;
}

bool WouldBlock(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

// libevent tells that a registration failed, but not always why.
int RegistrationError() { return errno != 0 ? errno : ENOSPC; }

// A bufferevent of libevent 2.1 reads 4 KiB at most, asks for their number before, and allots
// memory for them: three system calls for what one does. Its event for reading, which it goes on to
// enable and to disable, is made to call us instead.
bool ReadByOurselves(bufferevent* bev, event_base* base, int fd, event_callback_fn on_readable) {
  // Its argument stays what it was, by which libevent frees the bufferevent.
  return event_assign(&bev->ev_read, base, fd, EV_READ | EV_CLOSED | EV_PERSIST | EV_FINALIZE,
                      on_readable, bev) == 0;
}

}  // namespace

BufferedSocket::BufferedSocket(int fd, size_t low_mark, Owner* owner, EventLoop* loop,
                               LiveCounters* live)
    : loop_(loop), owner_(owner), live_(&live->sockets), fd_(fd) {
  // The descriptor is closed here, never by libevent: how it is closed decides what the peer sees.
  bufferevent_.reset(bufferevent_socket_new(loop_->base(), fd_, 0));
  bufferevent* bev = bufferevent_.get();
  if (bev == nullptr || !ReadByOurselves(bev, loop_->base(), fd_, &OnReadable)) {
    bufferevent_.reset();
    error_ = ENOMEM;
    close(fd_);
    return;
  }
  bufferevent_setcb(bev, nullptr, &OnWritten, &OnEvent, this);
  bufferevent_setwatermark(bev, EV_WRITE, low_mark, 0);
  bufferevent_set_max_single_write(bev, kMaxQueuedWriteBytes);
  error_ = StartReading();
}

BufferedSocket::~BufferedSocket() { Close(/*reset=*/false); }

// ---- Callbacks: cast and call.

void BufferedSocket::OnReadable(int, short what, void* bev) {
  auto* self = static_cast<BufferedSocket*>(static_cast<bufferevent*>(bev)->cbarg);
  if ((what & EV_CLOSED) != 0) self->fin_heard_ = true;
  self->owner_->OnReadable();
}

void BufferedSocket::OnWritten(bufferevent*, void* self) {
  static_cast<BufferedSocket*>(self)->owner_->OnDrained();
}

void BufferedSocket::OnEvent(bufferevent*, short, void* self) {
  const int error = EVUTIL_SOCKET_ERROR();  // before anything else can change errno
  static_cast<BufferedSocket*>(self)->owner_->OnWriteFailed(error);
}

void BufferedSocket::OnHangup() {
  int error = 0;
  socklen_t length = sizeof(error);
  getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &length);
  if (error != 0) owner_->OnHangup(error);
}

// ---- Reading.

Read BufferedSocket::ReadInto(std::vector<uint8_t>* room, size_t limit) {
  limit = std::clamp(limit, kLeastReadBytes, room->size());
  const ssize_t n = recv(fd_, room->data(), limit, MSG_DONTWAIT);
  Read read;
  if (n > 0) {
    read.bytes = absl::MakeConstSpan(room->data(), static_cast<size_t>(n));
    // A short read has emptied the socket: no further call is needed to learn that.
    if (read.bytes.size() == limit) read.outcome = ReadOutcome::kMore;
  } else if (n == 0) {
    read.outcome = ReadOutcome::kEnded;
  } else if (!WouldBlock(errno)) {
    read.outcome = ReadOutcome::kFailed;
    read.error = errno;
  }
  return read;
}

SplicePipe::Moved BufferedSocket::MoveTo(BufferedSocket* to, SplicePipe* pipe,
                                         std::vector<uint8_t>* room, size_t limit) {
  SplicePipe::Moved moved = pipe->Move(fd_, to->fd_, std::max(limit, kLeastReadBytes), room);
  if (moved.write_error == 0 && !moved.rest.empty()) moved.write_error = to->Queue(moved.rest);
  return moved;
}

void BufferedSocket::StopReading() {
  bufferevent_disable(bufferevent_.get(), EV_READ);
  if (!std::exchange(watched_, true)) loop_->hangups().Add(fd_, this);
}

int BufferedSocket::StartReading() {
  errno = 0;
  return bufferevent_enable(bufferevent_.get(), EV_READ) == 0 ? 0 : RegistrationError();
}

// ---- Writing.

int BufferedSocket::Send(absl::Span<const uint8_t> bytes, bool fin_follows) {
  if (bytes.empty()) return 0;
  if (queued_bytes() == 0) {
    const int more = fin_follows ? MSG_MORE : 0;
    const ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT | more);
    if (n < 0 && !WouldBlock(errno)) return errno;
    if (n > 0) bytes.remove_prefix(static_cast<size_t>(n));
    if (bytes.empty()) return 0;
  }
  return Queue(bytes);
}

int BufferedSocket::Queue(absl::Span<const uint8_t> bytes) {
  errno = 0;
  if (bufferevent_write(bufferevent_.get(), bytes.data(), bytes.size()) != 0) return ENOMEM;
  // It does not tell whether it will be called when the socket takes more.
  const bool registered = event_pending(&bufferevent_->ev_write, EV_WRITE, nullptr) != 0;
  return registered ? 0 : RegistrationError();
}

size_t BufferedSocket::queued_bytes() const {
  return closed() ? 0 : evbuffer_get_length(bufferevent_get_output(bufferevent_.get()));
}

size_t BufferedSocket::unacknowledged_bytes() const {
  int bytes = 0;
  if (closed() || ioctl(fd_, SIOCOUTQ, &bytes) != 0 || bytes == 0 || IsDead(fd_)) return 0;
  return static_cast<size_t>(bytes);
}

void BufferedSocket::ShutWrite() { shutdown(fd_, SHUT_WR); }

// ---- The end.

bool BufferedSocket::PeerHasLeft(int* error) const {
  pollfd asked = {.fd = fd_, .events = POLLRDHUP, .revents = 0};
  if (poll(&asked, 1, /*timeout=*/0) != 1) return false;
  socklen_t length = sizeof(*error);
  getsockopt(fd_, SOL_SOCKET, SO_ERROR, error, &length);
  return true;
}

bool BufferedSocket::is_unix() const {
  int domain = 0;
  socklen_t length = sizeof(domain);
  return getsockopt(fd_, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 && domain == AF_UNIX;
}

void BufferedSocket::Close(bool reset) {
  if (closed()) return;
  bufferevent_.reset();
  loop_->hangups().Remove(this);
  if (reset) {
    const linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  }
  close(fd_);
}

}  // namespace tlsbridge
