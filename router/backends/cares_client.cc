#include "router/backends/cares_client.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <netinet/in.h>
#include <string.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "bridge/event/fd_event.h"
#include "bridge/event/timer.h"
#include "bridge/event/watch_error.h"
#include "router/backends/srv_answer.h"

namespace tlsbridge {
namespace {

struct ChannelDeleter {
  void operator()(ares_channeldata* channel) const { ares_destroy(channel); }
};
using ChannelPtr = std::unique_ptr<ares_channeldata, ChannelDeleter>;

absl::Status StatusOf(int error) {
  if (error == ARES_ENODATA) return absl::NotFoundError("the name has no address");
  if (error == ARES_ENOTFOUND) return absl::NotFoundError("the name does not exist");
  return absl::UnavailableError(ares_strerror(error));
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

// One question, with a channel of its own: it is read from the files of the moment, ends when it is
// destroyed, and shares no socket with another.
template <typename Answer>
class CaresQuery : public DnsQuery {
 public:
  using OnDone = absl::AnyInvocable<void(absl::StatusOr<Answer>) &&>;

  CaresQuery(EventLoop* loop, const DnsSettings& settings, OnDone done)
      : loop_(loop),
        done_(std::move(done)),
        timer_(
            loop, [this] { OnTimer(); }, Timer::Of::kService) {
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
    if (error != ARES_SUCCESS) {
      Finish(StatusOf(error));
      return;
    }
    channel_.reset(channel);
    deadline_ = loop->now() + settings.timeout;
    if (settings.servers.empty()) return;
    error = SetServers(channel, settings.servers);
    if (error != ARES_SUCCESS) Finish(StatusOf(error));
  }

 protected:
  ares_channel channel() const { return channel_.get(); }
  bool finished() const { return result_.has_value(); }

  // The last statement of whatever may change what c-ares waits for.
  void SetTimer() {
    if (finished()) return timer_.ArmAfter(absl::ZeroDuration());
    timeval left;
    absl::Time at = deadline_;
    if (ares_timeout(channel(), nullptr, &left) != nullptr) {
      at = std::min(at, loop_->now() + absl::DurationFromTimeval(left));
    }
    timer_.ArmAt(at);
  }

  void Finish(absl::StatusOr<Answer> result) {
    if (finished()) return;
    result_.emplace(std::move(result));
    timer_.ArmAfter(absl::ZeroDuration());
  }

 private:
  void OnTimer() {
    closed_.clear();
    if (!finished() && loop_->now() < deadline_) {
      ares_process_fd(channel(), ARES_SOCKET_BAD, ARES_SOCKET_BAD);
      return SetTimer();
    }
    if (!finished()) result_.emplace(absl::DeadlineExceededError("no name server answers"));
    channel_.reset();
    closed_.clear();
    OnDone done = std::exchange(done_, nullptr);
    std::move(done)(*std::move(result_));
  }

  static void OnSocketState(void* self, ares_socket_t fd, int readable, int writable) {
    static_cast<CaresQuery*>(self)->Watch(fd, readable != 0, writable != 0);
  }

  void Watch(int fd, bool readable, bool writable) {
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
          ares_process_fd(channel(), readable ? fd : ARES_SOCKET_BAD,
                          writable ? fd : ARES_SOCKET_BAD);
          SetTimer();
        },
        what);
    if (const int error = events_[fd]->Enable(); error != 0) {
      Finish(WatchError("a name server's socket", error));
    }
  }

  EventLoop* const loop_;  // Not owned.
  OnDone done_;
  absl::Time deadline_;
  std::optional<absl::StatusOr<Answer>> result_;
  Timer timer_;
  std::map<int, std::unique_ptr<FdEvent>> events_;
  std::vector<std::unique_ptr<FdEvent>> closed_;
  ChannelPtr channel_;  // last: while it dies it tells of sockets and of its query
};

class AddressQuery final : public CaresQuery<AddressAnswer> {
 public:
  AddressQuery(EventLoop* loop, const DnsSettings& settings, const std::string& host, uint16_t port,
               OnDone done)
      : CaresQuery(loop, settings, std::move(done)) {
    if (finished()) return;
    ares_addrinfo_hints hints = {};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = ARES_AI_NUMERICSERV;
    ares_getaddrinfo(channel(), host.c_str(), absl::StrCat(port).c_str(), &hints, &OnAnswer, this);
    SetTimer();
  }

 private:
  static void OnAnswer(void* self, int error, int, ares_addrinfo* info) {
    const std::unique_ptr<ares_addrinfo, void (*)(ares_addrinfo*)> owner(info, ares_freeaddrinfo);
    if (error == ARES_EDESTRUCTION) return;
    auto* query = static_cast<AddressQuery*>(self);
    if (error != ARES_SUCCESS) return query->Finish(StatusOf(error));
    AddressAnswer answer;
    answer.ttl = absl::InfiniteDuration();
    for (const ares_addrinfo_node* node = info->nodes; node != nullptr; node = node->ai_next) {
      answer.addresses.push_back(SocketAddress::From(node->ai_addr, node->ai_addrlen));
      answer.ttl = std::min(answer.ttl, absl::Seconds(std::max(node->ai_ttl, 0)));
    }
    if (answer.addresses.empty()) return query->Finish(StatusOf(ARES_ENODATA));
    query->Finish(std::move(answer));
  }
};

class ServiceQuery final : public CaresQuery<SrvAnswer> {
 public:
  ServiceQuery(EventLoop* loop, const DnsSettings& settings, const std::string& name, OnDone done)
      : CaresQuery(loop, settings, std::move(done)) {
    if (finished()) return;
    ares_search(channel(), name.c_str(), ns_c_in, ns_t_srv, &OnAnswer, this);
    SetTimer();
  }

 private:
  static void OnAnswer(void* self, int error, int, unsigned char* bytes, int length) {
    if (error == ARES_EDESTRUCTION) return;
    auto* query = static_cast<ServiceQuery*>(self);
    if (error != ARES_SUCCESS) return query->Finish(StatusOf(error));
    query->Finish(ParseSrvAnswer({bytes, static_cast<size_t>(std::max(length, 0))}));
  }
};

}  // namespace

std::unique_ptr<DnsQuery> CaresClient::LookUpAddresses(const std::string& host, uint16_t port,
                                                       OnAddresses done) {
  return std::make_unique<AddressQuery>(loop_, settings_, host, port, std::move(done));
}

std::unique_ptr<DnsQuery> CaresClient::LookUpServices(const std::string& name, OnServices done) {
  return std::make_unique<ServiceQuery>(loop_, settings_, name, std::move(done));
}

}  // namespace tlsbridge
