#include "router/backends/cares_channel.h"

#include <arpa/nameser.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "bridge/event/watch_error.h"
#include "bridge/local_error.h"
#include "router/backends/srv_answer.h"

namespace tlsbridge {
namespace {

// The answers to all open questions may come at once.
constexpr int kReceiveBufferBytes = 1 << 20;

// c-ares takes a file that it cannot open for one that is not there, and then asks 127.0.0.1,
// whoever that is.
absl::Status LookForFiles(const DnsSettings& settings) {
  constexpr char kPath[] = "/etc/resolv.conf";
  const int fd = open(kPath, O_RDONLY | O_CLOEXEC);
  if (fd >= 0) {
    close(fd);
    return absl::OkStatus();
  }
  if (errno == ENOENT || (!settings.servers.empty() && !IsShortage(errno))) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot read ", kPath));
}

int SetServers(ares_channel channel, const std::vector<SocketAddress>& servers) {
  std::vector<ares_addr_port_node> nodes;
  for (const SocketAddress& server : servers) {
    ares_addr_port_node node = {};
    node.family = server.family();
    node.udp_port = node.tcp_port = server.port();
    if (server.family() == AF_INET) {
      node.addr.addr4 = reinterpret_cast<const sockaddr_in*>(server.get())->sin_addr;
    } else if (server.family() == AF_INET6) {
      memcpy(&node.addr.addr6, &reinterpret_cast<const sockaddr_in6*>(server.get())->sin6_addr,
             sizeof(node.addr.addr6));
    } else {
      return ARES_EBADNAME;
    }
    nodes.push_back(node);
  }
  for (size_t i = 1; i < nodes.size(); ++i) nodes[i - 1].next = &nodes[i];
  return ares_set_servers_ports(channel, nodes.data());
}

}  // namespace

// c-ares keeps no errno of a socket that it cannot have, and says that no server can be reached.
struct CaresChannel::Sockets {
  static ares_socket_t Open(int family, int type, int protocol, void* self) {
    const int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    static_cast<CaresChannel*>(self)->Note("open a socket to a name server", fd < 0 ? errno : 0);
    if (fd < 0) return ARES_SOCKET_BAD;
    const int on = 1;
    if (type == SOCK_STREAM) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kReceiveBufferBytes, sizeof(kReceiveBufferBytes));
    return fd;
  }
  static int Close(ares_socket_t fd, void*) { return close(fd); }
  static int Connect(ares_socket_t fd, const sockaddr* address, ares_socklen_t length, void* self) {
    const int result = connect(fd, address, length);
    const int error = errno;
    if (result < 0) static_cast<CaresChannel*>(self)->Note("reach a name server", error);
    errno = error;
    return result;
  }
  static ares_ssize_t Receive(ares_socket_t fd, void* bytes, size_t size, int flags, sockaddr* from,
                              ares_socklen_t* length, void*) {
    return recvfrom(fd, bytes, size, flags, from, length);
  }
  static ares_ssize_t Send(ares_socket_t fd, const iovec* parts, int count, void* self) {
    msghdr message = {};
    message.msg_iov = const_cast<iovec*>(parts);
    message.msg_iovlen = static_cast<size_t>(count);
    const ssize_t n = sendmsg(fd, &message, MSG_NOSIGNAL);
    const int error = errno;
    static_cast<CaresChannel*>(self)->Note("send to a name server", n < 0 ? error : 0);
    errno = error;
    return n;
  }
  static constexpr ares_socket_functions kAll = {
      .asocket = &Open,
      .aclose = &Close,
      .aconnect = &Connect,
      .arecvfrom = &Receive,
      .asendv = &Send,
  };
};

// Freed by its answer, which c-ares promises, be it when the channel is destroyed.
template <typename Done>
struct CaresChannel::Question {
  CaresChannel* channel;
  Done done;

  static Question* From(void* question) { return static_cast<Question*>(question); }
};

absl::StatusOr<std::unique_ptr<CaresChannel>> CaresChannel::Create(EventLoop* loop,
                                                                   const DnsSettings& settings) {
  std::unique_ptr<CaresChannel> channel(new CaresChannel(loop));
  if (absl::Status status = channel->Init(settings); !status.ok()) return status;
  return channel;
}

CaresChannel::CaresChannel(EventLoop* loop)
    : loop_(loop),
      timer_(
          loop, [this] { OnTimer(); }, Timer::Of::kService) {}

CaresChannel::~CaresChannel() = default;

absl::Status CaresChannel::Init(const DnsSettings& settings) {
  if (absl::Status status = LookForFiles(settings); !status.ok()) return status;
  // A second round waits twice as long.
  constexpr int kRounds = 2;
  ares_options options = {};
  options.timeout = std::max(1, static_cast<int>(settings.timeout / absl::Milliseconds(4)));
  options.tries = kRounds;
  options.sock_state_cb = &OnSocketState;
  options.sock_state_cb_data = this;
  ares_channel channel = nullptr;
  int error = ares_init_options(&channel, &options,
                                ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
  if (error != ARES_SUCCESS) return StatusOf(error);
  channel_.reset(channel);
  ares_set_socket_functions(channel, &Sockets::kAll, this);
  if (settings.servers.empty()) return absl::OkStatus();
  error = SetServers(channel, settings.servers);
  return error == ARES_SUCCESS ? absl::OkStatus() : StatusOf(error);
}

absl::Status CaresChannel::StatusOf(int error) const {
  if (error == ARES_ENODATA) return absl::NotFoundError("the name has no address");
  if (error == ARES_ENOTFOUND) return absl::NotFoundError("the name does not exist");
  const bool unasked = error == ARES_ECONNREFUSED || error == ARES_ETIMEOUT;
  if (unasked && !trouble_.ok()) return trouble_;
  return absl::UnavailableError(ares_strerror(error));
}

// Only what says something of this machine.
void CaresChannel::Note(const char* what, int error) {
  if (error == 0) {
    trouble_ = absl::OkStatus();
  } else if (IsLocalError(error)) {
    trouble_ = absl::ErrnoToStatus(error, absl::StrCat("cannot ", what));
  }
}

void CaresChannel::LookUpAddresses(const std::string& host, uint16_t port,
                                   DnsClient::OnAddresses done) {
  ares_addrinfo_hints hints = {};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = ARES_AI_NUMERICSERV;
  auto question = std::make_unique<Question<DnsClient::OnAddresses>>();
  *question = {this, std::move(done)};
  ++open_;
  ares_getaddrinfo(channel_.get(), host.c_str(), absl::StrCat(port).c_str(), &hints, &OnAddresses,
                   question.release());
  SetTimer();
}

void CaresChannel::OnAddresses(void* question, int error, int, ares_addrinfo* info) {
  const std::unique_ptr<Question<DnsClient::OnAddresses>> own(
      Question<DnsClient::OnAddresses>::From(question));
  const std::unique_ptr<ares_addrinfo, void (*)(ares_addrinfo*)> owner(info, ares_freeaddrinfo);
  if (error == ARES_EDESTRUCTION) return;
  --own->channel->open_;
  if (error != ARES_SUCCESS) return std::move(own->done)(own->channel->StatusOf(error));
  AddressAnswer answer;
  answer.ttl = absl::InfiniteDuration();
  for (const ares_addrinfo_node* node = info->nodes; node != nullptr; node = node->ai_next) {
    answer.addresses.push_back(SocketAddress::From(node->ai_addr, node->ai_addrlen));
    answer.ttl = std::min(answer.ttl, absl::Seconds(std::max(node->ai_ttl, 0)));
  }
  if (answer.addresses.empty()) {
    return std::move(own->done)(own->channel->StatusOf(ARES_ENODATA));
  }
  std::move(own->done)(std::move(answer));
}

void CaresChannel::LookUpServices(const std::string& name, DnsClient::OnServices done) {
  auto question = std::make_unique<Question<DnsClient::OnServices>>();
  *question = {this, std::move(done)};
  ++open_;
  ares_search(channel_.get(), name.c_str(), ns_c_in, ns_t_srv, &OnServices, question.release());
  SetTimer();
}

void CaresChannel::OnServices(void* question, int error, int, unsigned char* bytes, int length) {
  const std::unique_ptr<Question<DnsClient::OnServices>> own(
      Question<DnsClient::OnServices>::From(question));
  if (error == ARES_EDESTRUCTION) return;
  --own->channel->open_;
  if (error != ARES_SUCCESS) return std::move(own->done)(own->channel->StatusOf(error));
  std::move(own->done)(ParseSrvAnswer({bytes, static_cast<size_t>(std::max(length, 0))}));
}

// The last statement of whatever may change what c-ares waits for.
void CaresChannel::SetTimer() {
  timeval left;
  if (!closed_.empty()) {
    timer_.ArmAfter(absl::ZeroDuration());
  } else if (ares_timeout(channel_.get(), nullptr, &left) != nullptr) {
    timer_.ArmAfter(absl::DurationFromTimeval(left));
  } else {
    timer_.Cancel();
  }
}

void CaresChannel::OnTimer() {
  closed_.clear();
  ares_process_fd(channel_.get(), ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  SetTimer();
}

void CaresChannel::OnSocketState(void* self, ares_socket_t fd, int readable, int writable) {
  static_cast<CaresChannel*>(self)->Watch(fd, readable != 0, writable != 0);
}

void CaresChannel::Watch(int fd, bool readable, bool writable) {
  // c-ares calls from inside the old event's callback, so that it must live on for a while.
  const auto old = events_.find(fd);
  if (old != events_.end()) {
    old->second->Disable();
    closed_.push_back(std::move(old->second));
    events_.erase(old);
  }
  if (!readable && !writable) return;
  const FdEvent::For what = !writable   ? FdEvent::For::kReading
                            : !readable ? FdEvent::For::kWriting
                                        : FdEvent::For::kBoth;
  events_[fd] = std::make_unique<FdEvent>(
      loop_, fd,
      [this, fd, readable, writable] {
        ares_process_fd(channel_.get(), readable ? fd : ARES_SOCKET_BAD,
                        writable ? fd : ARES_SOCKET_BAD);
        SetTimer();
      },
      what);
  // What goes unheard is told when its time is over.
  const int error = events_[fd]->Enable();
  if (error != 0) trouble_ = WatchError("a name server's socket", error);
}

}  // namespace tlsbridge
