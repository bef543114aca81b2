#include "router/host/user.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace tlsbridge {
namespace {

absl::StatusOr<gid_t> FindGroup(const std::string& name) {
  gid_t number;
  if (absl::SimpleAtoi(name, &number)) return number;
  const group* const entry = getgrnam(name.c_str());
  if (entry != nullptr) return entry->gr_gid;
  return absl::InvalidArgumentError(absl::StrCat("unknown group '", name, "'"));
}

std::vector<gid_t> GroupsOf(const char* user, gid_t group) {
  int count = 64;
  std::vector<gid_t> groups(static_cast<size_t>(count));
  if (getgrouplist(user, group, groups.data(), &count) < 0) {
    groups.resize(static_cast<size_t>(count));
    if (getgrouplist(user, group, groups.data(), &count) < 0) return {group};
  }
  groups.resize(static_cast<size_t>(count));
  return groups;
}

uint32_t Bits(const KeptRights& kept) {
  uint32_t bits = 0;
  if (kept.low_ports) bits |= 1U << CAP_NET_BIND_SERVICE;
  if (kept.firewall) bits |= 1U << CAP_NET_ADMIN;
  return bits;
}

}  // namespace

absl::StatusOr<User> User::Find(absl::string_view text) {
  const std::pair<std::string, std::string> parts = absl::StrSplit(text, absl::MaxSplits(':', 1));
  User found = {.text = std::string(text), .user = 0, .group = 0, .groups = {}};
  const passwd* entry = getpwnam(parts.first.c_str());
  uid_t number;
  if (entry == nullptr && absl::SimpleAtoi(parts.first, &number)) {
    entry = getpwuid(number);
    if (entry == nullptr && parts.second.empty()) {
      return absl::InvalidArgumentError(absl::StrCat("--user: no user has the id ", number,
                                                     "; give a group too: ", number, ":GROUP"));
    }
    found.user = number;
  } else if (entry == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("--user: unknown user '", parts.first, "'"));
  }
  if (entry != nullptr) {
    found.user = entry->pw_uid;
    found.group = entry->pw_gid;
    found.groups = GroupsOf(entry->pw_name, entry->pw_gid);
  }
  if (!parts.second.empty()) {
    absl::StatusOr<gid_t> group = FindGroup(parts.second);
    if (!group.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("--user: ", group.status().message()));
    }
    found.group = *group;
    found.groups = {*group};
  }
  if (found.user == 0) return absl::InvalidArgumentError("--user: cannot be root");
  return found;
}

// glibc's calls would do it in all threads, and not from a signal handler.
int Become(const User& user, const KeptRights& kept) {
  const uint32_t bits = Bits(kept);
  if (bits != 0 && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return errno;
  if (syscall(SYS_setgroups, user.groups.size(), user.groups.data()) != 0 ||
      syscall(SYS_setresgid, user.group, user.group, user.group) != 0 ||
      syscall(SYS_setresuid, user.user, user.user, user.user) != 0) {
    return errno;
  }
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct rights[_LINUX_CAPABILITY_U32S_3] = {};
  rights[0].effective = rights[0].permitted = bits;
  return syscall(SYS_capset, &header, rights) == 0 ? 0 : errno;
}

bool MayBecomeOthers() { return geteuid() == 0; }

}  // namespace tlsbridge
