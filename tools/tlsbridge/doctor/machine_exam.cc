#include <string.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "router/config/kernel_reach.h"
#include "router/kernel/config_rules.h"
#include "router/kernel/obstacles.h"
#include "router/limits/budget.h"
#include "router/limits/control_groups.h"
#include "router/limits/usable_cores.h"
#include "tools/tlsbridge/doctor/exams.h"

namespace tlsbridge {
namespace {

constexpr char kArea[] = "machine";

int64_t ReadNumber(const char* path) {
  int64_t number = -1;
  std::ifstream(path) >> number;
  return number;
}

std::string MiB(int64_t bytes) { return absl::StrCat(bytes >> 20, " MiB"); }

void ExamineKernel(const Config& config, Diagnosis* diagnosis) {
  utsname name = {};
  uname(&name);
  diagnosis->Ok(kArea, absl::StrCat(name.sysname, " ", name.release));
  if (!KernelForwardsAny(config)) return;
  const bool keep = config.kernel.on_exit == KernelOnExit::kKeep;
  // The program does its work itself where it may.
  const bool stands_in = config.kernel.unavailable == KernelUnavailable::kProxy;
  const auto obstacles = kernel::FindObstacles(kernel::ConfigRules(config), keep);
  for (const kernel::Obstacle& obstacle : obstacles) {
    const bool fails = obstacle.blocks && !stands_in;
    diagnosis->Add({fails ? Health::kFail : Health::kWarn, kArea,
                    absl::StrCat("forwarding by the kernel: ", obstacle.what), obstacle.remedy});
  }
  for (const std::string& chain : kernel::FindForwardDrops(config.kernel.table)) {
    diagnosis->Warn(
        kArea,
        absl::StrCat("forwarding by the kernel: ", chain,
                     " drops what its rules do not accept, possibly what this table forwards"),
        "nft list ruleset; add a rule there: ct status dnat accept");
  }
  if (obstacles.empty()) diagnosis->Ok(kArea, "forwarding by the kernel: available");
}

void ExamineCapacity(const Config& config, Diagnosis* diagnosis) {
  const int cores = UsableCores();
  const int workers = config.workers > 0 ? config.workers : cores;
  const Budget budget = ClaimBudget(OtherDescriptors(config, workers));
  const int64_t wanted = config.limits.connections;
  const std::string room =
      absl::StrCat(budget.descriptors, " descriptors and ", MiB(budget.memory_bytes),
                   " of memory allow ", budget.connections, " connections");
  if (AreFew(budget.connections, wanted)) {
    diagnosis->Warn(kArea,
                    wanted > 0 ? absl::StrCat(room, ", but limits.connections is ", wanted) : room,
                    "raise the hard open-file limit (ulimit -Hn, LimitNOFILE=), 2 per connection, "
                    "or memory, a quarter of a MiB per connection");
  } else {
    diagnosis->Ok(kArea, room);
  }
  const ControlGroupLimits group = ReadControlGroupLimits();
  const int64_t machine = int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE);
  if (group.memory_bytes < machine) {
    diagnosis->Ok(kArea, absl::StrCat("the control group allows ", MiB(group.memory_bytes)));
  }
  if (group.cores > 0) {
    diagnosis->Ok(kArea, absl::StrCat("the control group allows ", group.cores,
                                      group.cores == 1 ? " core" : " cores"));
  }
  if (config.workers > cores) {
    diagnosis->Warn(kArea,
                    absl::StrCat(config.workers, " workers share ", cores,
                                 cores == 1 ? " core" : " cores", " that this process may use"),
                    "remove workers: the default is one per core");
  }
  const int64_t watches = ReadNumber("/proc/sys/fs/epoll/max_user_watches");
  const int64_t most = wanted > 0 ? std::min(wanted, budget.connections) : budget.connections;
  if (watches >= 0 && watches < 2 * most) {
    diagnosis->Warn(kArea,
                    absl::StrCat("fs.epoll.max_user_watches is ", watches, ": too few for ", most,
                                 " connections, two for each"),
                    absl::StrCat("sysctl -w fs.epoll.max_user_watches=", 4 * most));
  }
  const int64_t queue = ReadNumber("/proc/sys/net/core/somaxconn");
  constexpr int64_t kShort = 1024;
  if (queue >= 0 && queue < kShort) {
    diagnosis->Warn(
        kArea,
        absl::StrCat("net.core.somaxconn is ", queue, ": larger bursts of clients must retry"),
        "sysctl -w net.core.somaxconn=4096");
  }
}

void ExamineUser(const Config& config, Diagnosis* diagnosis) {
  if (geteuid() != 0 || config.routes.empty()) return;
  diagnosis->Ok(kArea,
                "running as root, which can read every file; to check as another user: sudo -u "
                "USER tlsbridge doctor");
}

void ExamineClock(const Clock& clock, Diagnosis* diagnosis) {
  timex state = {};
  const int result = adjtimex(&state);
  const std::string now = absl::FormatTime("%Y-%m-%d %H:%M UTC", clock.Wall(), absl::UTCTimeZone());
  if (result == TIME_ERROR || (state.status & STA_UNSYNC) != 0) {
    diagnosis->Warn(
        kArea,
        absl::StrCat("the clock reads ", now,
                     " and is not synchronised, so certificates may seem to have expired"),
        "timedatectl set-ntp true; not needed in a virtual machine whose host sets the clock");
  } else {
    diagnosis->Ok(kArea, absl::StrCat("the clock reads ", now, " and is synchronised"));
  }
}

}  // namespace

void ExamineMachine(const Patient& patient, Diagnosis* diagnosis) {
  const Config& config = patient.parsed.config;
  ExamineKernel(config, diagnosis);
  ExamineCapacity(config, diagnosis);
  ExamineUser(config, diagnosis);
  ExamineClock(patient.clock, diagnosis);
}

}  // namespace tlsbridge
