#include "router/kernel/netfilter_socket.h"

#include <errno.h>
#include <limits.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "router/kernel/netlink/answer.h"

namespace tlsbridge::kernel {
namespace {

// Errors of one batch that are told; the first is mostly the cause of the others.
constexpr int kMostErrors = 3;
// The longest datagram of the kernel's: a page of a dump is 32 KiB.
constexpr size_t kDatagramBytes = 64 * 1024;
constexpr size_t kSlotsOfASocket = 16;

}  // namespace

absl::Status KernelError(int error, absl::string_view what) {
  const std::string text = absl::StrCat(what, ": ", strerror(error));
  switch (error) {
    case EPERM:
    case EACCES:
      return absl::PermissionDeniedError(text);
    case ENOENT:
      return absl::NotFoundError(text);
    case EEXIST:
      return absl::AlreadyExistsError(text);
    case ENOBUFS:
    case ENOMEM:
      return absl::ResourceExhaustedError(text);
    case EOPNOTSUPP:
    case EPROTONOSUPPORT:
    case EAFNOSUPPORT:
      return absl::UnimplementedError(text);
    default:
      return absl::InternalError(text);
  }
}

absl::StatusOr<std::unique_ptr<NetfilterSocket>> NetfilterSocket::Open() {
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER);
  if (fd < 0) return KernelError(errno, "netlink socket for netfilter");
  sockaddr_nl address = {};
  address.nl_family = AF_NETLINK;
  socklen_t length = sizeof(address);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    const int error = errno;
    close(fd);
    return KernelError(error, "netlink socket for netfilter");
  }
  // Errors in words, and without all that was sent.
  const int on = 1;
  setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
  setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
  std::unique_ptr<NetfilterSocket> made(new NetfilterSocket(fd, address.nl_pid));
  made->SetReceiveBuffer(1 << 20);
  return made;
}

absl::StatusOr<std::unique_ptr<NetfilterSocket>> NetfilterSocket::Adopt(int fd) {
  int protocol = -1;
  socklen_t length = sizeof(protocol);
  sockaddr_nl address = {};
  socklen_t address_length = sizeof(address);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &address_length) != 0 ||
      address.nl_family != AF_NETLINK ||
      getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length) != 0 ||
      protocol != NETLINK_NETFILTER) {
    close(fd);
    return absl::InvalidArgumentError("invalid hand-over: expected a socket to netfilter");
  }
  return std::unique_ptr<NetfilterSocket>(new NetfilterSocket(fd, address.nl_pid));
}

NetfilterSocket::NetfilterSocket(int fd, uint32_t port)
    : fd_(fd),
      port_(port),
      slots_(std::make_unique_for_overwrite<uint8_t[]>(kDatagramBytes * kSlotsOfASocket)),
      lengths_(kSlotsOfASocket) {}

NetfilterSocket::~NetfilterSocket() { close(fd_); }

void NetfilterSocket::SetReceiveBuffer(int bytes) {
  if (setsockopt(fd_, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) != 0) {
    setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
  }
}

absl::Status NetfilterSocket::Join(int group) {
  if (setsockopt(fd_, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) != 0) {
    return KernelError(errno, "events of connection tracking");
  }
  return absl::OkStatus();
}

absl::Status NetfilterSocket::Filter(absl::Span<const sock_filter> program) {
  const sock_fprog attached = {static_cast<unsigned short>(program.size()),
                               const_cast<sock_filter*>(program.data())};
  if (setsockopt(fd_, SOL_SOCKET, SO_ATTACH_FILTER, &attached, sizeof(attached)) != 0) {
    return KernelError(errno, "filter of events of connection tracking");
  }
  return absl::OkStatus();
}

absl::Status NetfilterSocket::Send(absl::Span<const uint8_t> bytes) {
  // A batch is one datagram, and must fit into the buffer.
  const int needed = static_cast<int>(std::min<size_t>(bytes.size() + 4096, INT_MAX / 2));
  int has = 0;
  socklen_t length = sizeof(has);
  if (getsockopt(fd_, SOL_SOCKET, SO_SNDBUF, &has, &length) == 0 && has < needed &&
      setsockopt(fd_, SOL_SOCKET, SO_SNDBUFFORCE, &needed, sizeof(needed)) != 0) {
    setsockopt(fd_, SOL_SOCKET, SO_SNDBUF, &needed, sizeof(needed));
  }
  sockaddr_nl kernel = {};
  kernel.nl_family = AF_NETLINK;
  ssize_t sent = 0;
  do {
    sent = sendto(fd_, bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&kernel),
                  sizeof(kernel));
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) {
    return KernelError(errno, absl::StrCat("sending ", bytes.size(), " bytes to netfilter"));
  }
  return absl::OkStatus();
}

absl::StatusOr<absl::Span<const uint8_t>> NetfilterSocket::Receive() {
  while (true) {
    while (next_ < taken_) {
      const size_t slot = next_++;
      // Zero: of another process, which may send to this socket, too.
      if (lengths_[slot] == 0) continue;
      return absl::Span<const uint8_t>(&slots_[slot * kDatagramBytes], lengths_[slot]);
    }
    next_ = taken_ = 0;
    if (std::exchange(drained_, false)) return absl::Span<const uint8_t>();
    mmsghdr messages[kSlotsOfASocket] = {};
    iovec buffers[kSlotsOfASocket];
    sockaddr_nl senders[kSlotsOfASocket];
    for (size_t i = 0; i < kSlotsOfASocket; ++i) {
      buffers[i] = {&slots_[i * kDatagramBytes], kDatagramBytes};
      messages[i].msg_hdr.msg_name = &senders[i];
      messages[i].msg_hdr.msg_namelen = sizeof(senders[i]);
      messages[i].msg_hdr.msg_iov = &buffers[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    const int received = recvmmsg(fd_, messages, kSlotsOfASocket, MSG_DONTWAIT, nullptr);
    if (received < 0 && errno == EINTR) continue;
    if (received < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      return absl::Span<const uint8_t>();
    }
    if (received < 0) return KernelError(errno, "netfilter");
    taken_ = static_cast<size_t>(received);
    drained_ = taken_ < kSlotsOfASocket;
    for (size_t i = 0; i < taken_; ++i) {
      lengths_[i] = senders[i].nl_pid == 0 ? messages[i].msg_len : 0;
    }
  }
}

void NetfilterSocket::Discard() {
  while (true) {
    const absl::StatusOr<absl::Span<const uint8_t>> datagram = Receive();
    // Some were thrown away already: there may be more behind them.
    if (absl::IsResourceExhausted(datagram.status())) continue;
    if (!datagram.ok() || datagram->empty()) return;
  }
}

absl::Status NetfilterSocket::Transact(absl::Span<const uint8_t> bytes, const Batch& batch) {
  if (absl::Status status = batch.Check(); !status.ok()) return status;
  if (absl::Status status = Send(bytes); !status.ok()) return status;
  bool answered = false;
  int first_error = 0;
  int errors = 0;
  std::string text;
  while (true) {
    absl::StatusOr<absl::Span<const uint8_t>> datagram = Receive();
    if (!datagram.ok()) return datagram.status();
    if (datagram->empty()) break;
    netlink::Message message;
    while (netlink::TakeMessage(&*datagram, &message)) {
      const auto answer = netlink::ReadAnswer(message);
      if (!answer) continue;
      if (answer->error == 0) {
        answered = answered || answer->sequence == batch.last_sequence();
        continue;
      }
      if (errors == 0) first_error = answer->error;
      if (++errors > kMostErrors) continue;
      absl::StrAppend(&text, text.empty() ? "" : "; ", batch.Describe(answer->sequence));
      if (answer->error != first_error) absl::StrAppend(&text, " (", strerror(answer->error), ")");
      if (!answer->text.empty()) absl::StrAppend(&text, " (", answer->text, ")");
    }
  }
  if (errors > kMostErrors) absl::StrAppend(&text, "; and ", errors - kMostErrors, " more");
  if (errors > 0) return KernelError(first_error, text);
  if (!answered) return absl::InternalError("netfilter did not answer");
  return absl::OkStatus();
}

absl::Status NetfilterSocket::Commit(Batch* batch) {
  if (batch->empty()) return absl::OkStatus();
  return Transact(batch->Finish(), *batch);
}

absl::Status NetfilterSocket::Try(Batch* batch) {
  if (batch->empty()) return absl::OkStatus();
  return Transact(batch->FinishTrial(), *batch);
}

absl::Status NetfilterSocket::Ask(netlink::Writer* question,
                                  const std::function<void(const netlink::Message&)>& on_message) {
  if (absl::Status status = Send(question->Finish()); !status.ok()) return status;
  absl::Status status;
  // A dump goes on as it is read, without an answer in between that says so: it is there at once.
  while (true) {
    absl::StatusOr<absl::Span<const uint8_t>> datagram = Receive();
    if (!datagram.ok()) return datagram.status();
    if (datagram->empty()) return status;
    netlink::Message message;
    while (netlink::TakeMessage(&*datagram, &message)) {
      const auto answer = netlink::ReadAnswer(message);
      if (answer && answer->error != 0 && status.ok()) {
        status = KernelError(answer->error, "netfilter");
      }
      if (!answer && message.type != NLMSG_DONE) on_message(message);
    }
  }
}

}  // namespace tlsbridge::kernel
