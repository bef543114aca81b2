#include "tests/router/kernel/support/topology.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tlsbridge::testing {
namespace {

constexpr int kPatienceMs = 5000;

struct Address {
  sockaddr_storage storage = {};
  socklen_t length = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Address Make(const std::string& text, uint16_t port) {
  Address address;
  if (text.find(':') == std::string::npos) {
    auto* const v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    inet_pton(AF_INET, text.c_str(), &v4->sin_addr);
    address.length = sizeof(*v4);
  } else {
    auto* const v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr);
    address.length = sizeof(*v6);
  }
  return address;
}

Socket NewSocket(const Address& address) {
  Socket made(socket(address.get()->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  setsockopt(made.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (address.get()->sa_family == AF_INET6) {
    setsockopt(made.fd(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
  }
  const timeval patience = {kPatienceMs / 1000, 0};
  setsockopt(made.fd(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  setsockopt(made.fd(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  return made;
}

Socket Listen(const std::string& address, uint16_t port) {
  const Address to = Make(address, port);
  Socket listener = NewSocket(to);
  if (bind(listener.fd(), to.get(), to.length) != 0 || listen(listener.fd(), 128) != 0) {
    ADD_FAILURE() << "cannot listen on " << address << ": " << strerror(errno);
  }
  return listener;
}

// RFC 1071.
uint16_t Checksum(const std::string& bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const uint32_t byte = static_cast<uint8_t>(bytes[i]);
    sum += i % 2 == 0 ? byte << 8 : byte;
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

// The next number that a connection sends or awaits.
uint32_t Sequence(int fd, int queue) {
  setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, &queue, sizeof(queue));
  uint32_t sequence = 0;
  socklen_t length = sizeof(sequence);
  getsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, &sequence, &length);
  return sequence;
}

void MustRun(const std::string& command) {
  const CommandResult result = RunCommand(command);
  if (result.exit_code == 0) return;
  // Nothing of the test would mean anything.
  fprintf(stderr, "%s: %s\n", command.c_str(), result.output.c_str());
  abort();
}

}  // namespace

Socket& Socket::operator=(Socket&& other) noexcept {
  Close();
  fd_ = other.Release();
  return *this;
}

int Socket::Release() { return std::exchange(fd_, -1); }

void Socket::Close() {
  if (fd_ >= 0) close(Release());
}

void Socket::Reset() {
  const linger at_once = {1, 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  Close();
}

void Socket::EndWrite() { shutdown(fd_, SHUT_WR); }

bool Socket::Send(const std::string& text) {
  return send(fd_, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
}

std::string Socket::Receive(size_t bytes) {
  std::string text(bytes, '\0');
  const ssize_t received = recv(fd_, text.data(), text.size(), 0);
  if (received < 0) return "error";
  text.resize(static_cast<size_t>(received));
  return text;
}

std::string Socket::PeerAddress() const {
  Address peer;
  peer.length = sizeof(peer.storage);
  getpeername(fd_, reinterpret_cast<sockaddr*>(&peer.storage), &peer.length);
  char text[INET6_ADDRSTRLEN] = "";
  if (peer.get()->sa_family == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(peer.get())->sin_addr, text,
              sizeof(text));
  } else {
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(peer.get())->sin6_addr, text,
              sizeof(text));
  }
  return text;
}

Topology::Topology() {
  router.Enter();
  MustRun(
      absl::StrCat("ip link add rc type veth peer name cr && ip link add rb type veth peer name br",
                   " && ip link set dev cr netns ", client.path(), " && ip link set dev br netns ",
                   backend.path(),
                   " && ip addr add 10.7.1.1/24 dev rc && ip addr add fd07:1::1/64 dev rc nodad"
                   " && ip addr add 10.7.2.1/24 dev rb && ip addr add fd07:2::1/64 dev rb nodad"
                   " && ip link set dev rc up && ip link set dev rb up"));
  if (!SetSysctl("ipv4/ip_forward", "1") || !SetSysctl("ipv6/conf/all/forwarding", "1")) {
    ADD_FAILURE() << "cannot turn forwarding on in a namespace of the test's own";
  }
  client.Enter();
  MustRun(
      "for i in 2 3 4 5 6 7 8 9; do ip addr add 10.7.1.$i/24 dev cr; done"
      " && ip addr add fd07:1::2/64 dev cr nodad && ip link set dev cr up"
      " && ip route add default via 10.7.1.1 && ip -6 route add default via fd07:1::1");
  backend.Enter();
  MustRun(
      "for i in 11 12 13; do ip addr add 10.7.2.$i/24 dev br;"
      " ip addr add fd07:2::$i/64 dev br nodad; done && ip link set dev br up");
  for (int i = 0; i < kBackends; ++i) {
    listeners_.push_back({Listen(absl::StrCat("10.7.2.", 11 + i), 9000), i});
    listeners_.push_back({Listen(absl::StrCat("fd07:2::", 11 + i), 9000), i});
  }
  router.Enter();
}

void Topology::RouteBackToClients() {
  backend.Enter();
  MustRun("ip route add default via 10.7.2.1 && ip -6 route add default via fd07:2::1");
  router.Enter();
}

void Topology::ListenOnRouter(const std::string& address, uint16_t port) {
  router.Enter();
  listeners_.push_back({Listen(address, port), kProgram});
}

void Topology::StopBackend(int number) {
  std::erase_if(listeners_, [&](const Listener& one) { return one.number == number; });
}

void Topology::SilenceBackends() {
  backend.Enter();
  MustRun(
      "nft 'add table inet silent; add chain inet silent in { type filter hook input priority 0; "
      "policy accept; }; add rule inet silent in tcp dport 9000 drop'");
  router.Enter();
}

void Topology::SendInvalidPacket(const Socket& from_client) {
  client.Enter();
  const int fd = from_client.fd();
  constexpr int kRepairOn = 1;
  constexpr int kRepairOffWithoutProbe = -1;
  constexpr int kNoQueue = 0;
  constexpr int kReceiveQueue = 1;
  constexpr int kSendQueue = 2;
  setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &kRepairOn, sizeof(kRepairOn));
  const uint32_t sent = Sequence(fd, kSendQueue);
  const uint32_t received = Sequence(fd, kReceiveQueue);
  setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, &kNoQueue, sizeof(kNoQueue));
  setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &kRepairOffWithoutProbe, sizeof(kRepairOffWithoutProbe));

  sockaddr_in own = {};
  sockaddr_in peer = {};
  socklen_t length = sizeof(own);
  getsockname(fd, reinterpret_cast<sockaddr*>(&own), &length);
  getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &length);
  tcphdr header = {};
  header.source = own.sin_port;
  header.dest = peer.sin_port;
  header.seq = htonl(sent + (1U << 30));
  header.ack_seq = htonl(received);
  header.doff = 5;
  header.ack = 1;
  header.window = htons(1000);
  std::string segment(reinterpret_cast<const char*>(&header), sizeof(header));
  std::string pseudo(reinterpret_cast<const char*>(&own.sin_addr), 4);
  pseudo.append(reinterpret_cast<const char*>(&peer.sin_addr), 4);
  pseudo.append({'\0', IPPROTO_TCP, '\0', static_cast<char>(segment.size())});
  header.check = htons(Checksum(pseudo + segment));
  segment.assign(reinterpret_cast<const char*>(&header), sizeof(header));

  const Socket raw(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP));
  peer.sin_port = 0;
  if (sendto(raw.fd(), segment.data(), segment.size(), 0, reinterpret_cast<const sockaddr*>(&peer),
             sizeof(peer)) != static_cast<ssize_t>(segment.size())) {
    ADD_FAILURE() << "cannot send a raw packet: " << strerror(errno);
  }
  router.Enter();
}

Socket Topology::BeginToDial(const std::string& address, uint16_t port) {
  client.Enter();
  const Address to = Make(address, port);
  Socket dialled(socket(to.get()->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (connect(dialled.fd(), to.get(), to.length) != 0 && errno != EINPROGRESS) dialled.Close();
  router.Enter();
  return dialled;
}

Socket Topology::Dial(const std::string& address, uint16_t port, const std::string& from) {
  client.Enter();
  const Address to = Make(address, port);
  Socket dialled = NewSocket(to);
  if (!from.empty()) {
    const Address own = Make(from, 0);
    bind(dialled.fd(), own.get(), own.length);
  }
  if (connect(dialled.fd(), to.get(), to.length) != 0) dialled.Close();
  router.Enter();
  return dialled;
}

Topology::Talk Topology::Connect(const std::string& address, uint16_t port,
                                 const std::string& from) {
  Talk talk;
  talk.client = Dial(address, port, from);
  if (!talk.client.ok()) return talk;
  std::vector<pollfd> waiting;
  waiting.reserve(listeners_.size());
  for (const Listener& one : listeners_) waiting.push_back({one.socket.fd(), POLLIN, 0});
  poll(waiting.data(), waiting.size(), kPatienceMs);
  for (size_t i = 0; i < waiting.size(); ++i) {
    if ((waiting[i].revents & POLLIN) == 0) continue;
    talk.server = Socket(accept4(listeners_[i].socket.fd(), nullptr, nullptr, SOCK_CLOEXEC));
    const timeval patience = {kPatienceMs / 1000, 0};
    setsockopt(talk.server.fd(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    talk.backend = listeners_[i].number;
    break;
  }
  return talk;
}

}  // namespace tlsbridge::testing
