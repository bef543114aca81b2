#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tools/tlsbridge/doctor/exams.h"
#include "tools/tlsbridge/doctor/port_holder.h"

namespace tlsbridge {
namespace {

constexpr char kArea[] = "addresses";

// The errno of listening there: as the program would, but nobody is let in, and no file is made.
int ErrorOfBinding(const SocketAddress& address) {
  const int fd = socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  const absl::Cleanup close_fd = [fd] { close(fd); };
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (address.family() == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
  return bind(fd, address.get(), address.length()) == 0 ? 0 : errno;
}

// A path is not bound to: that would make a file.
int ErrorOfPath(const std::string& path) {
  struct stat info;
  if (lstat(path.c_str(), &info) == 0) {
    if (!S_ISSOCK(info.st_mode)) return EEXIST;
    return HolderOf(*SocketAddress::Parse("unix:" + path)).pid == 0 ? 0 : EADDRINUSE;
  }
  const std::string folder = path.substr(0, path.rfind('/') + 1);
  return access(folder.c_str(), W_OK | X_OK) == 0 ? 0 : errno;
}

std::string RemedyOf(const SocketAddress& address, int error) {
  const std::string path = address.unix_path();
  const std::string folder = path.substr(0, path.rfind('/'));
  switch (error) {
    case EACCES:
    case EPERM:
      if (address.is_unix()) {
        return absl::StrCat("ls -ld ", folder,
                            "; it must be writable (systemd: RuntimeDirectory=)");
      }
      return "ports below 1024 need a capability: AmbientCapabilities=CAP_NET_BIND_SERVICE "
             "(systemd), or setcap cap_net_bind_service=+ep on the program";
    case EADDRNOTAVAIL:
      return "ip addr lists this machine's addresses; use one of them, or 0.0.0.0";
    case EAFNOSUPPORT:
      return "IPv6 is off on this machine; use an IPv4 address";
    case ENOENT:
      return absl::StrCat("mkdir -p ", folder, " (systemd: RuntimeDirectory=)");
    case EEXIST:
      return absl::StrCat(
          "ls -l ", path,
          "; it is not a socket, so it is not replaced: remove it or use another path");
    default:
      return "use another address";
  }
}

void ExamineAddress(const SocketAddress& address, absl::string_view what, Diagnosis* diagnosis) {
  const std::string where = absl::StrCat(what, " ", address.ToString());
  const std::string path = address.unix_path();
  const int error = path.empty() ? ErrorOfBinding(address) : ErrorOfPath(path);
  if (error == 0) return diagnosis->Ok(kArea, where + " is free");
  if (error != EADDRINUSE) {
    return diagnosis->Fail(kArea, absl::StrCat(where, ": ", strerror(error)),
                           RemedyOf(address, error));
  }
  const PortHolder holder = HolderOf(address);
  if (holder.name == "tlsbridge") {
    return diagnosis->Ok(
        kArea, absl::StrCat(where, " is in use by a running tlsbridge, process ", holder.pid));
  }
  if (holder.pid == 0) {
    return diagnosis->Fail(kArea, where + " is in use by a process that this user cannot see",
                           absl::StrCat("sudo ss -ltnp 'sport = :", address.port(),
                                        "' shows it; stop it, or use another address"));
  }
  diagnosis->Fail(kArea,
                  absl::StrCat(where, " is in use by ", holder.name, ", process ", holder.pid),
                  absl::StrCat("stop it (ps -fp ", holder.pid, "), or use another address"));
}

}  // namespace

void ExamineAddresses(const Patient& patient, Diagnosis* diagnosis) {
  const Config& config = patient.parsed.config;
  for (size_t i = 0; i < config.listeners.size(); ++i) {
    const Listener& listener = config.listeners[i];
    // One that could not be read.
    if (listener.address.family() == AF_UNSPEC) continue;
    ExamineAddress(listener.address, "listener", diagnosis);
    const size_t peers = listener.proxy_protocol_from.size();
    if (peers == 0 && !listener.proxy_protocol_from_unix) continue;
    diagnosis->Ok(kArea,
                  absl::StrCat("listener ", listener.address.ToString(),
                               " expects a PROXY "
                               "header from ",
                               peers == 0 ? "every peer" : absl::StrCat(peers, " blocks of peers"),
                               ", and from no other peer"));
  }
  if (config.admin.has_value()) ExamineAddress(*config.admin, "admin address", diagnosis);
  if (config.metrics.has_value()) ExamineAddress(*config.metrics, "metrics address", diagnosis);
}

}  // namespace tlsbridge
