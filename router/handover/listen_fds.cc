#include "router/handover/listen_fds.h"

#include <stdlib.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace tlsbridge {
namespace {

constexpr int kFirst = 3;
constexpr int kMost = 1024;

std::string Variable(const char* name) {
  const char* const value = getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

absl::StatusOr<ListenFds> ParseListenFds(absl::string_view pid, absl::string_view fds,
                                         absl::string_view names, int own_pid) {
  ListenFds found;
  int for_pid = 0;
  if (pid.empty() || fds.empty()) return found;
  if (!absl::SimpleAtoi(pid, &for_pid)) {
    return absl::InvalidArgumentError(absl::StrCat("LISTEN_PID=", pid, " is not a process id"));
  }
  if (for_pid != own_pid) return found;
  int count = 0;
  if (!absl::SimpleAtoi(fds, &count) || count < 0 || count > kMost) {
    return absl::InvalidArgumentError(
        absl::StrCat("LISTEN_FDS=", fds, " is not a number of descriptors up to ", kMost));
  }
  if (!names.empty()) found.names = absl::StrSplit(names, ':');
  if (!names.empty() && found.names.size() != static_cast<size_t>(count)) {
    return absl::InvalidArgumentError(absl::StrCat("LISTEN_FDNAMES=", names, " has ",
                                                   found.names.size(), " names, but LISTEN_FDS is ",
                                                   count));
  }
  found.names.resize(static_cast<size_t>(count));
  return found;
}

absl::Status TakeListenFds(InheritedSockets* sockets) {
  const auto found = ParseListenFds(Variable("LISTEN_PID"), Variable("LISTEN_FDS"),
                                    Variable("LISTEN_FDNAMES"), getpid());
  for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) unsetenv(name);
  if (!found.ok()) return found.status();
  for (size_t i = 0; i < found->names.size(); ++i) {
    const int fd = kFirst + static_cast<int>(i);
    if (absl::Status status = sockets->AddFromSystemd(fd, found->names[i]); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

}  // namespace tlsbridge
