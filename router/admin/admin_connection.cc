#include "router/admin/admin_connection.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_struct.h>
#include <event2/event.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "bridge/socket_address.h"

namespace tlsbridge {

AdminConnection::AdminConnection(EventLoop* loop, int fd, uint64_t id, Owner* owner)
    : owner_(owner),
      fd_(fd),
      id_(id),
      bufferevent_(bufferevent_socket_new(loop->base(), fd, 0)),
      deadline_(
          loop, [this] { OnDeadline(); }, Timer::Of::kService) {}

void AdminConnection::Start() {
  bufferevent* const bev = bufferevent_.get();
  if (bev == nullptr) return Close();
  bufferevent_setcb(bev, &OnRead, &OnWritten, &OnEvent, this);
  bufferevent_setwatermark(bev, EV_READ, 0, kMaxRequestHeadBytes);
  deadline_.ArmAfter(kRequestTime);
  ReadOn();
}

// One that the loop cannot hear would only wait for its deadline.
void AdminConnection::ReadOn() {
  if (bufferevent_enable(bufferevent_.get(), EV_READ) != 0) Close();
}

AdminConnection::~AdminConnection() {
  if (state_ == State::kClosed) return;
  bufferevent_.reset();
  close(fd_);
}

void AdminConnection::OnRead(bufferevent* bev, void* self) {
  auto* connection = static_cast<AdminConnection*>(self);
  if (connection->state_ == State::kRequest) return connection->TakeRequest();
  // A body, or requests that nobody answers.
  evbuffer* const input = bufferevent_get_input(bev);
  evbuffer_drain(input, evbuffer_get_length(input));
}

void AdminConnection::TakeRequest() {
  evbuffer* const input = bufferevent_get_input(bufferevent_.get());
  std::string head(evbuffer_get_length(input), '\0');
  evbuffer_copyout(input, head.data(), head.size());
  const HttpRequest request = HttpRequest::Parse(head);
  if (request.outcome == HttpRequest::Outcome::kIncomplete) return;
  state_ = State::kAsked;
  head_only_ = request.head_only;
  deadline_.ArmAfter(kThinkTime);
  evbuffer_drain(input, head.size());
  // What else it sends waits in the kernel, which bounds it.
  bufferevent_disable(bufferevent_.get(), EV_READ);
  if (request.outcome != HttpRequest::Outcome::kComplete) return Answer(Refusal(request.outcome));
  owner_->OnRequest(request, *this);
}

void AdminConnection::Answer(const HttpAnswer& answer) {
  if (state_ != State::kAsked) return;
  state_ = State::kAnswer;
  deadline_.ArmAfter(kAnswerTime);
  const std::string bytes = answer.Serialize(head_only_);
  bufferevent* const bev = bufferevent_.get();
  // It does not tell whether it will be called when the socket takes the bytes.
  if (bufferevent_write(bev, bytes.data(), bytes.size()) != 0 ||
      event_pending(&bev->ev_write, EV_WRITE, nullptr) == 0) {
    Close();
  }
}

void AdminConnection::OnDeadline() {
  if (state_ != State::kAsked) return Close();
  Answer({503, "text/plain", "no answer in time\n"});
}

void AdminConnection::OnWritten(bufferevent*, void* self) {
  auto* connection = static_cast<AdminConnection*>(self);
  if (connection->state_ == State::kAnswer) connection->Linger();
}

// Bytes left unread would make the kernel answer close() with a reset, which may overtake the
// answer. So the client's end is awaited.
void AdminConnection::Linger() {
  state_ = State::kLinger;
  deadline_.ArmAfter(kLingerTime);
  shutdown(fd_, SHUT_WR);
  ReadOn();
}

bool AdminConnection::is_unix() const { return SocketAddress::LocalOf(fd_).is_unix(); }

bool AdminConnection::is_local() const {
  return is_unix() || SocketAddress::PeerOf(fd_).is_loopback();
}

size_t AdminConnection::queued_bytes() const {
  if (bufferevent_ == nullptr) return 0;
  return evbuffer_get_length(bufferevent_get_output(bufferevent_.get()));
}

void AdminConnection::OnEvent(bufferevent*, short, void* self) {
  static_cast<AdminConnection*>(self)->Close();
}

void AdminConnection::Close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  deadline_.Cancel();
  bufferevent_.reset();
  close(fd_);
  owner_->OnClosed(*this);
}

}  // namespace tlsbridge
