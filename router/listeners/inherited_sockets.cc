#include "router/listeners/inherited_sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "router/listeners/stored_name.h"

namespace tlsbridge {
namespace {

constexpr absl::string_view kAdminName = "admin";
constexpr absl::string_view kMetricsName = "metrics";

int OptionOf(int fd, int option) {
  int value = -1;
  socklen_t length = sizeof(value);
  return getsockopt(fd, SOL_SOCKET, option, &value, &length) == 0 ? value : -1;
}

// Why it cannot be a listener of ours; empty if it can.
std::string Fault(int fd) {
  if (fcntl(fd, F_GETFD) < 0) return "is not open";
  const int type = OptionOf(fd, SO_TYPE);
  if (type < 0) return "is not a socket";
  if (type != SOCK_STREAM) return "is not a stream socket";
  const int family = OptionOf(fd, SO_DOMAIN);
  if (family != AF_INET && family != AF_INET6 && family != AF_UNIX) {
    return "is neither TCP nor a UNIX socket";
  }
  if (OptionOf(fd, SO_ACCEPTCONN) != 1) return "is not listening";
  return "";
}

// An open one does not survive an exec, and never blocks.
bool Prepare(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  return fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && flags >= 0 &&
         fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

// Or needs none.
bool HasItsPath(const SocketAddress& address) {
  const std::string path = address.unix_path();
  return path.empty() || access(path.c_str(), F_OK) == 0;
}

std::string NameOf(int fd, absl::string_view name) {
  return absl::StrCat("descriptor ", fd, " of LISTEN_FDS (",
                      name.empty() ? "" : absl::StrCat("named '", name, "', "),
                      SocketAddress::LocalOf(fd).ToString(), ")");
}

}  // namespace

InheritedSockets::~InheritedSockets() { CloseRest(); }

void InheritedSockets::CloseRest() {
  for (Entry& entry : entries_) {
    if (entry.fd >= 0) close(std::exchange(entry.fd, -1));
  }
}

absl::Status InheritedSockets::AddFromSystemd(int fd, const std::string& name) {
  const std::string fault = Fault(fd);
  if (!fault.empty() || !Prepare(fd)) {
    absl::Status status = absl::InvalidArgumentError(
        absl::StrCat(NameOf(fd, name), " ", fault.empty() ? strerror(errno) : fault,
                     "; sockets of a socket unit must be ListenStream= with Accept=no"));
    if (fault != "is not open") close(fd);
    return status;
  }
  if (const auto stored = ParseStoredName(name)) {
    if (stored->bound == SocketAddress::LocalOf(fd) && HasItsPath(stored->bound)) {
      return AddFromPredecessor(fd, stored->use, stored->wanted, /*inherits_path=*/true);
    }
    stored_.push_back(name);
    close(fd);
    return absl::OkStatus();
  }
  entries_.push_back(
      {.fd = fd, .assigned = false, .use = {}, .wanted = {}, .name = name, .of_unit = true});
  return absl::OkStatus();
}

absl::Status InheritedSockets::AddFromPredecessor(int fd, Use use, const SocketAddress& wanted,
                                                  bool inherits_path, bool of_unit) {
  std::string fault = Fault(fd);
  if (fault.empty() && !wanted.IsOrBecame(SocketAddress::LocalOf(fd)))
    fault = "listens on another address";
  if (!fault.empty() || !Prepare(fd)) {
    close(fd);
    return absl::InvalidArgumentError(
        absl::StrCat("the socket that was handed over for ", wanted.ToString(), " ", fault));
  }
  entries_.push_back({.fd = fd,
                      .assigned = true,
                      .use = use,
                      .wanted = wanted,
                      .name = {},
                      .inherits_path = inherits_path,
                      .of_unit = of_unit});
  if (!of_unit) stored_.push_back(StoredName{use, wanted, SocketAddress::LocalOf(fd)}.ToString());
  return absl::OkStatus();
}

InheritedSockets::Entry* InheritedSockets::Find(const SocketAddress& wanted,
                                                absl::string_view name) {
  Entry* by_address = nullptr;
  for (Entry& entry : entries_) {
    if (entry.assigned) continue;
    const SocketAddress bound = SocketAddress::LocalOf(entry.fd);
    if (!name.empty() && entry.name == name && wanted.IsOrBecame(bound)) return &entry;
    if (by_address == nullptr && wanted == bound) by_address = &entry;
  }
  return by_address;
}

absl::Status InheritedSockets::Assign(const Config& config) {
  const auto assign = [this](Use use, const SocketAddress& wanted, absl::string_view name) {
    Entry* const entry = Find(wanted, name);
    if (entry == nullptr) return;
    entry->assigned = true;
    entry->use = use;
    entry->wanted = wanted;
  };
  for (const Listener& listener : config.listeners) {
    assign(Use::kListener, listener.address, listener.name);
  }
  if (config.admin.has_value()) assign(Use::kAdmin, *config.admin, kAdminName);
  if (config.metrics.has_value()) assign(Use::kAdmin, *config.metrics, kMetricsName);
  const auto left = std::find_if(entries_.begin(), entries_.end(),
                                 [](const Entry& entry) { return !entry.assigned; });
  if (left == entries_.end()) return absl::OkStatus();
  const auto namesake = std::find_if(config.listeners.begin(), config.listeners.end(),
                                     [&](const Listener& l) { return l.name == left->name; });
  std::string hint =
      "no listener has that address; add one, or remove the socket from the socket unit";
  if (!left->name.empty() && namesake != config.listeners.end()) {
    hint = absl::StrCat("the listener of that name has the address ", namesake->address.ToString(),
                        "; the two addresses must be equal");
  }
  return absl::InvalidArgumentError(
      absl::StrCat(NameOf(left->fd, left->name), " matches no listener: ", hint));
}

std::unique_ptr<ListeningSocket> InheritedSockets::Take(Use use, const SocketAddress& wanted) {
  for (Entry& entry : entries_) {
    if (entry.fd < 0 || !entry.assigned || entry.use != use || !(entry.wanted == wanted)) continue;
    entry.taken = true;
    auto socket = ListeningSocket::Adopt(std::exchange(entry.fd, -1), entry.inherits_path);
    if (entry.of_unit) socket->SetOfUnit();
    return socket;
  }
  return nullptr;
}

std::vector<bool> InheritedSockets::taken() const {
  std::vector<bool> taken;
  for (const Entry& entry : entries_) taken.push_back(entry.taken);
  return taken;
}

}  // namespace tlsbridge
