#include "router/limits/budget.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

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

int64_t ConnectionBudget(int64_t descriptors, int64_t memory_bytes) {
  const int64_t by_descriptors = (descriptors - kReservedDescriptors) / 2;
  const int64_t by_memory = memory_bytes / 4 * 3 / kBytesPerConnection;
  return std::max<int64_t>(1, std::min(by_descriptors, by_memory));
}

Budget ClaimBudget() {
  Budget budget;
  budget.descriptors = RaiseDescriptorLimit();
  budget.memory_bytes = Memory();
  budget.connections = ConnectionBudget(budget.descriptors, budget.memory_bytes);
  return budget;
}

}  // namespace tlsbridge
