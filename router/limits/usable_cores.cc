#include "router/limits/usable_cores.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>

#include "router/limits/control_groups.h"

namespace tlsbridge {
namespace {

int CoresOfAffinity() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return CPU_COUNT(&set);
  return static_cast<int>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
}

}  // namespace

int UsableCores() {
  const int cores = CoresOfAffinity();
  const int quota = ReadControlGroupLimits().cores;
  return quota > 0 ? std::min(cores, quota) : cores;
}

}  // namespace tlsbridge
