#include "router/handover/predecessor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "bridge/event/watch_error.h"
#include "router/handover/child.h"

namespace tlsbridge {
namespace {

// It sends at once, or not at all.
constexpr int kSilenceMilliseconds = 30'000;

bool IsChannel(int fd) {
  int type = 0;
  socklen_t length = sizeof(type);
  return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_SEQPACKET;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Predecessor>> Predecessor::FromEnvironment(
    InheritedSockets* sockets) {
  const char* const value = getenv(kHandoverVariable);
  if (value == nullptr) return nullptr;
  const std::string text = value;
  unsetenv(kHandoverVariable);  // it is not for a child of ours
  int fd = -1;
  if (!absl::SimpleAtoi(text, &fd) || !IsChannel(fd) || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(kHandoverVariable, "=", text,
                     " is not the socket of a process that hands over; unset the variable"));
  }
  std::unique_ptr<Predecessor> predecessor(new Predecessor(fd));
  if (absl::Status status = predecessor->Receive(sockets); !status.ok()) {
    predecessor->Refuse(status);
    return status;
  }
  return predecessor;
}

Predecessor::~Predecessor() {
  for (const int fd : processes_) close(fd);
  for (const int fd : kernel_) close(fd);
}

absl::Status Predecessor::Receive(InheritedSockets* sockets) {
  StateReceiver receiver;
  for (bool whole = false; !whole;) {
    pollfd readable = {channel_->fd(), POLLIN, 0};
    if (poll(&readable, 1, kSilenceMilliseconds) == 0) {
      return absl::DeadlineExceededError("no answer from the process that hands over");
    }
    auto received = channel_->Receive();
    if (absl::IsUnavailable(received.status())) continue;
    if (!received.ok()) return received.status();
    auto taken = receiver.Take(*std::move(received));
    if (!taken.ok()) return taken.status();
    whole = *taken;
  }
  auto state = DecodeState(receiver.state().span());
  if (!state.ok()) return state.status();
  state_ = *std::move(state);
  std::vector<int> descriptors = receiver.TakeDescriptors();
  if (descriptors.size() != state_.descriptors()) {
    for (const int fd : descriptors) close(fd);
    return absl::InvalidArgumentError(absl::StrCat("the hand-over is malformed: it has ",
                                                   descriptors.size(), " descriptors instead of ",
                                                   state_.descriptors()));
  }
  absl::Status status;
  for (size_t i = 0; i < state_.sockets.size(); ++i) {
    const HandoverState::Socket& socket = state_.sockets[i];
    status.Update(sockets->AddFromPredecessor(descriptors[i], socket.use, socket.wanted,
                                              socket.owns_path, socket.of_unit));
  }
  const auto processes = descriptors.begin() + static_cast<ptrdiff_t>(state_.sockets.size());
  const auto kernel = descriptors.end() - (state_.kernel ? 2 : 0);
  processes_.assign(processes, kernel);
  kernel_.assign(kernel, descriptors.end());
  return status;
}

void Predecessor::RefuseFromEnvironment(absl::string_view why) {
  const char* const value = getenv(kHandoverVariable);
  int fd = -1;
  if (value == nullptr || !absl::SimpleAtoi(value, &fd) || !IsChannel(fd)) return;
  unsetenv(kHandoverVariable);
  Predecessor(fd).Refuse(absl::AbortedError(why));
}

void Predecessor::Refuse(const absl::Status& why) {
  if (channel_ == nullptr) return;
  Packet packet = {.kind = Packet::Kind::kRefused};
  packet.reason = std::string(why.message());
  (void)channel_->Send(packet);  // who does not hear it sees the end of this process
  channel_.reset();
}

absl::Status Predecessor::Ready(EventLoop* loop, const std::vector<bool>& taken,
                                absl::AnyInvocable<void()> on_go) {
  on_go_ = std::move(on_go);
  readable_ = std::make_unique<FdEvent>(loop, channel_->fd(), [this] { OnReadable(); });
  if (const int error = readable_->Enable(); error != 0) return WatchError("the hand-over", error);
  Packet packet = {.kind = Packet::Kind::kReady};
  packet.taken = taken;
  (void)channel_->Send(packet);  // one that is gone is noticed by reading
  return absl::OkStatus();
}

void Predecessor::OnReadable() {
  auto received = channel_->Receive();
  if (absl::IsUnavailable(received.status())) return;
  if (received.ok() && received->packet.kind != Packet::Kind::kGo) {
    has_last_words_ = last_words_.Take(*std::move(received)).value_or(false);
    return;
  }
  // Told so, or the other one is gone, or makes no sense any more: it would have killed this
  // process before it went on itself.
  readable_->Disable();
  std::exchange(on_go_, nullptr)();
}

void Predecessor::Serving() {
  (void)channel_->Send({.kind = Packet::Kind::kServing});
  channel_.reset();
}

}  // namespace tlsbridge
