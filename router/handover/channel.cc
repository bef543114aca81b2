#include "router/handover/channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "router/host/descriptor_message.h"

namespace tlsbridge {
namespace {

absl::Status ErrorOf(int error) {
  switch (error) {
    case EAGAIN:
    case EINTR:
      return absl::UnavailableError("not now");
    case EPIPE:
    case ECONNRESET:
      return absl::OutOfRangeError("the other process has closed its end");
    default:
      return absl::InternalError(absl::StrCat("the hand-over: ", strerror(error)));
  }
}

}  // namespace

Channel::~Channel() { close(fd_); }

absl::Status Channel::Send(const Packet& packet, absl::Span<const int> descriptors) {
  const SecretBytes bytes = EncodePacket(packet);
  const auto* const data = reinterpret_cast<const char*>(bytes.span().data());
  if (SendWithDescriptors(fd_, {data, bytes.size()}, descriptors, MSG_DONTWAIT) < 0) {
    return ErrorOf(errno);
  }
  return absl::OkStatus();
}

absl::StatusOr<Channel::Received> Channel::Receive() {
  ReceivedMessage message =
      ReceiveWithDescriptors(fd_, {reinterpret_cast<char*>(buffer_.data()), buffer_.size()},
                             kMostDescriptors, MSG_DONTWAIT);
  if (message.size < 0) return ErrorOf(errno);
  Received received;
  received.descriptors = std::move(message.descriptors);
  const auto fail = [&received](absl::Status status) {
    for (const int fd : received.descriptors) close(fd);
    return status;
  };
  if ((message.flags & MSG_CTRUNC) != 0) {
    return fail(absl::ResourceExhaustedError(
        "out of file descriptors for what is taken over: raise LimitNOFILE= (ulimit -n)"));
  }
  if (message.size == 0) return fail(ErrorOf(EPIPE));
  if ((message.flags & MSG_TRUNC) != 0) {
    return fail(absl::InvalidArgumentError("the hand-over is malformed: a piece is too long"));
  }
  auto packet = ParsePacket(buffer_.span().first(static_cast<size_t>(message.size)));
  if (!packet.ok()) return fail(packet.status());
  received.packet = *std::move(packet);
  return received;
}

absl::Status StateSender::Send(Channel* channel) {
  if (!begun_) {
    Packet begin = {.kind = Packet::Kind::kBegin};
    begin.state_bytes = static_cast<uint32_t>(state_.size());
    begin.descriptors = static_cast<uint32_t>(descriptors_.size());
    if (absl::Status status = channel->Send(begin); !status.ok()) return status;
    begun_ = true;
  }
  while (bytes_sent_ < state_.size() || descriptors_sent_ < descriptors_.size()) {
    Packet piece = {.kind = Packet::Kind::kBytes};
    piece.bytes = state_.span().subspan(bytes_sent_, kMostBytes);
    const auto fds = absl::MakeConstSpan(descriptors_).subspan(descriptors_sent_, kMostDescriptors);
    if (absl::Status status = channel->Send(piece, fds); !status.ok()) return status;
    bytes_sent_ += piece.bytes.size();
    descriptors_sent_ += fds.size();
  }
  return absl::OkStatus();
}

StateReceiver::~StateReceiver() {
  for (const int fd : descriptors_) close(fd);
}

absl::StatusOr<bool> StateReceiver::Take(Channel::Received received) {
  descriptors_.insert(descriptors_.end(), received.descriptors.begin(), received.descriptors.end());
  const Packet& packet = received.packet;
  const bool fits = packet.kind == (begun_ ? Packet::Kind::kBytes : Packet::Kind::kBegin);
  if (packet.kind == Packet::Kind::kBegin && fits) {
    begun_ = true;
    bytes_ = packet.state_bytes;
    descriptor_count_ = packet.descriptors;
  } else if (fits) {
    state_.Append(packet.bytes);
  }
  if (!fits || state_.size() > bytes_ || descriptors_.size() > descriptor_count_) {
    return absl::InvalidArgumentError("the hand-over is malformed: pieces that do not fit");
  }
  return state_.size() == bytes_ && descriptors_.size() == descriptor_count_;
}

}  // namespace tlsbridge
