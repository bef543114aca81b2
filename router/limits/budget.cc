#include "router/limits/budget.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "router/config/kernel_reach.h"
#include "router/limits/control_groups.h"

namespace tlsbridge {
namespace {

// Some containers have a hard limit of a billion, which is no promise that can be kept.
constexpr rlim_t kMostDescriptors = 1'000'000;

int64_t RaiseDescriptorLimit() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  const rlim_t wanted = std::min(limit.rlim_max, kMostDescriptors);
  if (limit.rlim_cur < wanted) {
    const rlimit raised = {wanted, limit.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) limit.rlim_cur = wanted;
  }
  return static_cast<int64_t>(std::min(limit.rlim_cur, kMostDescriptors));
}

int64_t Memory() {
  const int64_t machine = int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE);
  return std::min(machine, ReadControlGroupLimits().memory_bytes);
}

}  // namespace

int64_t OtherDescriptors(const Config& config, int workers) {
  // epoll twice, an eventfd, and a pipe of libevent's.
  constexpr int64_t kOfLoop = 5;
  constexpr int64_t kOfSigner = 1;
  constexpr int64_t kOfSplicing = 2;
  // What /etc/resolv.conf names at most, as resolv.conf(5) has it.
  constexpr size_t kServers = 3;
  // By UDP and TCP, of a c-ares channel and of the one before it.
  constexpr int64_t kOfServer = 4;
  constexpr int64_t kOfFile = 1;
  // Its table's, two for flows, and two for questions now and then.
  constexpr int64_t kOfKernel = 5;
  constexpr int64_t kOfMetrics = 33;
  int64_t others = kReservedDescriptors + workers * (kOfLoop + kOfSigner + kOfSplicing);
  others += static_cast<int64_t>(config.listeners.size());
  // Its clients; those of the admin address are in what is reserved.
  if (config.metrics.has_value()) others += kOfMetrics;
  std::set<std::vector<std::string>> asked;  // lookups at the same servers share their sockets
  for (const Route& route : config.routes) {
    for (const Backend& backend : route.backends) {
      const bool named = backend.address.kind != BackendAddress::Kind::kSocket;
      // Both families of a name may be tried at once.
      if (route.health.kind != HealthCheck::Kind::kNone) others += named ? 2 : 1;
      if (!named) continue;
      std::vector<std::string> servers;
      for (const SocketAddress& server : route.dns.servers) servers.push_back(server.ToString());
      asked.insert(std::move(servers));
    }
  }
  if (KernelForwardsAny(config)) others += kOfKernel;
  if (!asked.empty()) others += kOfLoop + kOfFile;
  for (const auto& servers : asked) {
    others += kOfServer * static_cast<int64_t>(servers.empty() ? kServers : servers.size());
  }
  return others;
}

int64_t ConnectionBudget(int64_t descriptors, int64_t memory_bytes, int64_t others) {
  const int64_t kept = std::min(others, std::max(kReservedDescriptors, descriptors / 4));
  const int64_t by_descriptors = (descriptors - kept) / 2;
  const int64_t by_memory = memory_bytes / 4 * 3 / kBytesPerConnection;
  return std::max<int64_t>(1, std::min(by_descriptors, by_memory));
}

bool AreFew(int64_t connections, int64_t wanted) {
  constexpr int64_t kFew = 100;
  return connections < (wanted == 0 ? kFew : wanted);
}

Budget ClaimBudget(int64_t others) {
  Budget budget;
  budget.descriptors = RaiseDescriptorLimit();
  budget.memory_bytes = Memory();
  budget.connections = ConnectionBudget(budget.descriptors, budget.memory_bytes, others);
  return budget;
}

}  // namespace tlsbridge
