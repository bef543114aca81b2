#include "tests/router/kernel/support/net_namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"

namespace tlsbridge::testing {
namespace {

bool WriteFile(const std::string& path, const std::string& text) {
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool written = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  close(fd);
  return written;
}

int OpenOwn() { return open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC); }

int home = -1;

std::string FindUnavailable() {
  const uid_t user = getuid();
  const gid_t group = getgid();
  if (unshare(CLONE_NEWNET) != 0) {
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
      return absl::StrCat("unshare(CLONE_NEWUSER | CLONE_NEWNET): ", strerror(errno));
    }
    WriteFile("/proc/self/setgroups", "deny");
    if (!WriteFile("/proc/self/uid_map", absl::StrCat("0 ", user, " 1")) ||
        !WriteFile("/proc/self/gid_map", absl::StrCat("0 ", group, " 1"))) {
      return absl::StrCat("/proc/self/uid_map: ", strerror(errno));
    }
  }
  // Of another user namespace, that of the start could not be entered again; none needs it.
  home = OpenOwn();
  if (home < 0) return absl::StrCat("/proc/thread-self/ns/net: ", strerror(errno));
  const CommandResult link = RunCommand("ip link add probe0 type veth peer name probe1");
  if (link.exit_code != 0) return absl::StrCat("ip link add type veth: ", link.output);
  const CommandResult table = RunCommand("nft add table inet probe && nft flush ruleset");
  if (table.exit_code != 0) return absl::StrCat("nft add table: ", table.output);
  RunCommand("ip link del probe0");
  return "";
}

}  // namespace

const std::string& NetNamespace::Unavailable() {
  static const std::string* const reason = new std::string(FindUnavailable());
  return *reason;
}

NetNamespace::NetNamespace() {
  const int before = OpenOwn();
  if (unshare(CLONE_NEWNET) != 0) abort();
  fd_ = OpenOwn();
  RunCommand("ip link set lo up");
  setns(before, CLONE_NEWNET);
  close(before);
}

NetNamespace::~NetNamespace() { close(fd_); }

void NetNamespace::Enter() const {
  if (setns(fd_, CLONE_NEWNET) != 0) abort();
}

void NetNamespace::Leave() {
  if (home >= 0 && setns(home, CLONE_NEWNET) != 0) abort();
}

std::string NetNamespace::path() const { return absl::StrCat("/proc/", getpid(), "/fd/", fd_); }

CommandResult RunCommand(const std::string& command) {
  FILE* const pipe = popen(
      absl::StrCat("export PATH=$PATH:/usr/sbin:/sbin; { ", command, "; } 2>&1").c_str(), "r");
  if (pipe == nullptr) return {-1, strerror(errno)};
  CommandResult result;
  char buffer[4096];
  size_t read = 0;
  while ((read = fread(buffer, 1, sizeof(buffer), pipe)) > 0) result.output.append(buffer, read);
  const int status = pclose(pipe);
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

bool SetSysctl(const std::string& name, const std::string& value) {
  return WriteFile(absl::StrCat("/proc/sys/net/", name), value);
}

void NamespaceTest::SetUp() { NeedNamespaces(); }

void NeedNamespaces() {
  const std::string& reason = NetNamespace::Unavailable();
  if (reason.empty()) return;
  if (getenv("TLSBRIDGE_REQUIRE_NETNS") != nullptr) {
    FAIL() << "network namespaces are required here: " << reason;
  }
  GTEST_SKIP() << "no network namespaces: " << reason;
}

}  // namespace tlsbridge::testing
