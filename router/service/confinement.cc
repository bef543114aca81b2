#include "router/service/confinement.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <set>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "router/config/kernel_reach.h"
#include "router/live/renewal/watch_plan.h"
#include "router/live/route_files.h"
#include "router/log/log.h"

namespace tlsbridge {
namespace {

// Of an absolute path without "." and "..".
bool IsAtTheTop(const std::string& folder) {
  return std::count(folder.begin(), folder.end(), '/') < 2;
}

std::string RealPath(const std::string& path) {
  char real[PATH_MAX];
  return realpath(path.c_str(), real) == nullptr ? path : real;
}

std::vector<std::string> FilesOf(const LiveConfig& live,
                                 const std::vector<std::string>& source_files) {
  std::vector<std::string> files = source_files;
  for (const auto& route : live.routes()) {
    const std::vector<std::string> more = FilesOf(*route->settings);
    files.insert(files.end(), more.begin(), more.end());
  }
  return files;
}

void AddWatched(const std::vector<std::string>& files, SandboxNeeds* needs) {
  std::set<std::string> direct;
  for (const std::string& file : files) {
    const std::string folder = FolderOf(RealPath(file));
    if (folder == "/") {
      needs->files.push_back(file);
    } else {
      direct.insert(folder);
    }
  }
  needs->folders.assign(direct.begin(), direct.end());
  for (const auto& [folder, names] : PlanWatches(files)) {
    if (!IsAtTheTop(folder) && direct.count(folder) == 0) needs->folders.push_back(folder);
  }
}

// Whether names are looked up at the system's name servers.
bool AsksTheSystem(const Config& config) {
  return std::any_of(config.routes.begin(), config.routes.end(), [](const Route& route) {
    return route.dns.servers.empty() &&
           std::any_of(route.backends.begin(), route.backends.end(), [](const Backend& backend) {
             return backend.address.kind != BackendAddress::Kind::kSocket;
           });
  });
}

void AddSystem(const Config& config, SandboxNeeds* needs) {
  for (const char* file :
       {"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/dev/urandom"}) {
    needs->files.emplace_back(file);
  }
  const std::string resolver = FolderOf(RealPath("/etc/resolv.conf"));
  // Where a DHCP client puts a new one in its place, only its folder finds that.
  if (!IsAtTheTop(resolver) || AsksTheSystem(config)) needs->folders.push_back(resolver);
  // What 'system' means; replaced as a whole.
  for (const char* folder :
       {"/etc/ssl/certs", "/etc/pki/tls/certs", "/proc/self", "/sys/fs/cgroup"}) {
    needs->folders.emplace_back(folder);
  }
  needs->settings.emplace_back("/dev/null");
}

void AddListeners(const Config& config, SandboxNeeds* needs) {
  const auto add = [needs](const SocketAddress& address) {
    const std::string path = address.unix_path();
    if (!path.empty()) needs->sockets.push_back(FolderOf(path));
    if (address.port() > 0 && address.port() < 1024) needs->kept.low_ports = true;
  };
  for (const Listener& listener : config.listeners) add(listener.address);
  if (config.admin.has_value()) add(*config.admin);
}

// Where the kernel leaves one: core(5). A pipe's reader is none of our business.
std::string FolderOfDumps() {
  std::string pattern;
  std::getline(std::ifstream("/proc/sys/kernel/core_pattern"), pattern);
  if (absl::StartsWith(pattern, "|")) return "";
  return absl::StartsWith(pattern, "/") ? FolderOf(pattern) : ".";
}

absl::Status CheckReadable(const LiveConfig& live, const std::vector<std::string>& source_files,
                           const User& user) {
  for (const std::string& file : FilesOf(live, source_files)) {
    if (access(file.c_str(), R_OK) == 0 || errno != EACCES) continue;
    return absl::PermissionDeniedError(
        absl::StrCat("--user: ", user.text, " cannot read ", file,
                     " after a renewal; give a group of that user access (chgrp, chmod g+r, and x "
                     "on its folders)"));
  }
  return absl::OkStatus();
}

}  // namespace

SandboxNeeds NeedsOf(const LiveConfig& live, const std::vector<std::string>& source_files,
                     const Confinement& confinement) {
  const Config& config = live.config();
  SandboxNeeds needs;
  needs.restricted = confinement.sandbox && config.sandbox.enabled;
  needs.user = confinement.user;
  AddWatched(FilesOf(live, source_files), &needs);
  AddSystem(config, &needs);
  AddListeners(config, &needs);
  needs.folders.insert(needs.folders.end(), config.sandbox.read.begin(), config.sandbox.read.end());
  needs.kept.firewall = KernelForwardsAny(config);
  // Rules of the kernel's forwarding may come with a reload; it turns accounting on then.
  (needs.kept.firewall ? needs.settings : needs.folders).emplace_back("/proc/sys/net");
  if (const std::string folder = FolderOfDumps(); confinement.core_dumps && !folder.empty()) {
    needs.dumps.push_back(folder);
  }
  return needs;
}

absl::StatusOr<std::string> Confine(const LiveConfig& live,
                                    const std::vector<std::string>& source_files,
                                    const Confinement& confinement) {
  const SandboxNeeds needs = NeedsOf(live, source_files, confinement);
  absl::StatusOr<SandboxResult> result = EnterSandbox(needs);
  if (!result.ok()) return result.status();
  if (needs.user.has_value()) {
    const absl::Status status = CheckReadable(live, source_files, *needs.user);
    if (!status.ok()) return status;
  }
  if (!result->missing.empty()) {
    LogEvent(LogLevel::kWarning, "sandbox_incomplete")
        .Text("message", absl::StrJoin(result->missing, "; "))
        .Text("hint", "the rest is in force; use a newer kernel, or one built with it");
  }
  return result->applied.empty() ? "none" : absl::StrJoin(result->applied, ",");
}

std::string SandboxHint(const std::string& problem) {
  if (!absl::StrContains(problem, strerror(EACCES))) return "";
  return "; the sandbox allows only the folders named at start: restart, or add folders to "
         "sandbox.read, or start with --no-sandbox";
}

}  // namespace tlsbridge
