#include "tools/tlsbridge/doctor/port_holder.h"

#include <dirent.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <set>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace tlsbridge {
namespace {

// Of sockets that listen on the port: proc(5), /proc/net/tcp.
void InodesOf(const char* table, uint16_t port, std::set<std::string>* inodes) {
  constexpr absl::string_view kListens = "0A";
  std::ifstream file(table);
  for (std::string line; std::getline(file, line);) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    if (words.size() < 10 || words[3] != kListens) continue;
    uint32_t bound = 0;
    const size_t colon = words[1].rfind(':');
    if (colon == std::string::npos || !absl::SimpleHexAtoi(words[1].substr(colon + 1), &bound)) {
      continue;
    }
    if (bound == port) inodes->insert(absl::StrCat("socket:[", words[9], "]"));
  }
}

std::vector<std::string> EntriesOf(const std::string& folder) {
  std::vector<std::string> entries;
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(opendir(folder.c_str()), &closedir);
  if (dir == nullptr) return entries;
  while (const dirent* entry = readdir(dir.get())) entries.emplace_back(entry->d_name);
  return entries;
}

std::string NameOf(pid_t pid) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/comm"));
  std::string name;
  std::getline(file, name);
  return name;
}

bool Holds(pid_t pid, const std::set<std::string>& inodes) {
  const std::string folder = absl::StrCat("/proc/", pid, "/fd/");
  for (const std::string& fd : EntriesOf(folder)) {
    char target[64];
    const ssize_t length = readlink((folder + fd).c_str(), target, sizeof(target));
    if (length > 0 && inodes.contains(std::string(target, static_cast<size_t>(length))))
      return true;
  }
  return false;
}

PortHolder OfTcp(uint16_t port) {
  std::set<std::string> inodes;
  InodesOf("/proc/net/tcp", port, &inodes);
  InodesOf("/proc/net/tcp6", port, &inodes);
  if (inodes.empty()) return {};
  for (const std::string& entry : EntriesOf("/proc")) {
    pid_t pid = 0;
    if (absl::SimpleAtoi(entry, &pid) && Holds(pid, inodes)) return {pid, NameOf(pid)};
  }
  return {};
}

PortHolder OfUnix(const SocketAddress& address) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return {};
  const absl::Cleanup close_fd = [fd] { close(fd); };
  if (connect(fd, address.get(), address.length()) != 0) return {};
  ucred peer = {};
  socklen_t length = sizeof(peer);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return {};
  return {peer.pid, NameOf(peer.pid)};
}

}  // namespace

PortHolder HolderOf(const SocketAddress& address) {
  return address.is_unix() ? OfUnix(address) : OfTcp(address.port());
}

}  // namespace tlsbridge
