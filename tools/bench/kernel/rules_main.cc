// How long the kernel takes to get the rules of many routes, and to get one change of a backend's
// health, both from the plan on. In the network namespace that it is started in; one JSON object on
// standard output.

#include <time.h>

#include <chrono>
#include <cstdio>
#include <string>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "router/kernel/build_ruleset.h"
#include "router/kernel/kernel_table.h"
#include "router/kernel/plan_change.h"

ABSL_FLAG(int, routes, 10000, "each with a port of its own");
ABSL_FLAG(int, backends, 1, "of each route");
ABSL_FLAG(int, changes, 100, "of which the mean is told");

namespace tlsbridge::bench {
namespace {

using kernel::Endpoint;
using kernel::KernelTable;
using kernel::Plan;

Endpoint At(uint8_t net, uint8_t host, uint16_t port) {
  Endpoint endpoint = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 7, net, host}, port};
  return endpoint;
}

Plan ManyRoutes(int routes, int backends) {
  Plan plan;
  for (int i = 0; i < routes; ++i) {
    const auto port = static_cast<uint16_t>(1000 + i);
    kernel::Route& route = plan.routes.emplace_back();
    route.name = absl::StrCat("route-", i);
    for (int b = 0; b < backends; ++b) {
      route.backends.push_back({At(2, static_cast<uint8_t>(11 + b), port)});
    }
    plan.listeners.push_back({At(1, 1, port), {{std::nullopt, plan.routes.size() - 1}}});
  }
  return plan;
}

// By the clock, and of this process's CPU, which says more where others use the machine.
class Watch {
 public:
  void Start() {
    began_ = std::chrono::steady_clock::now();
    cpu_began_ = Cpu();
  }
  void Stop() {
    took_ += std::chrono::steady_clock::now() - began_;
    cpu_ms_ += Cpu() - cpu_began_;
  }
  std::string Json(absl::string_view name, int times) const {
    const double ms = std::chrono::duration<double, std::milli>(took_).count();
    return absl::StrFormat("\"%s_ms\": %.3f, \"%s_cpu_ms\": %.3f", name, ms / times, name,
                           cpu_ms_ / times);
  }

 private:
  static double Cpu() {
    timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
  }

  std::chrono::steady_clock::time_point began_;
  std::chrono::steady_clock::duration took_{};
  double cpu_began_ = 0;
  double cpu_ms_ = 0;
};

int Main(int routes, int backends, int changes) {
  Plan plan = ManyRoutes(routes, backends);
  Watch loading;
  loading.Start();
  const auto table = KernelTable::Create(kernel::BuildRuleset(plan), {});
  loading.Stop();
  if (!table.ok()) {
    std::fprintf(stderr, "rules: %s\n", std::string(table.status().message()).c_str());
    return 1;
  }
  Watch leaving;
  Watch coming;
  const kernel::PlanIndex index(plan);
  for (int i = 0; i < 2 * changes; ++i) {
    kernel::Route& route = plan.routes[static_cast<size_t>(i / 2 * 97 % routes)];
    kernel::Route next = route;
    next.backends[0].serving = !next.backends[0].serving;
    Watch& watch = next.backends[0].serving ? coming : leaving;
    watch.Start();
    const auto change = kernel::FindChange(plan, index, {next});
    if (!change || !(*table)->Apply(*change).ok()) {
      std::fprintf(stderr, "rules: a change was refused\n");
      return 1;
    }
    watch.Stop();
    route = std::move(next);
  }
  std::printf("{\"routes\": %d, \"backends\": %d, %s, %s, %s}\n", routes, backends,
              loading.Json("load", 1).c_str(), leaving.Json("leave", changes).c_str(),
              coming.Json("come", changes).c_str());
  return 0;
}

}  // namespace
}  // namespace tlsbridge::bench

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("rules [options]");
  absl::ParseCommandLine(argc, argv);
  return tlsbridge::bench::Main(absl::GetFlag(FLAGS_routes), absl::GetFlag(FLAGS_backends),
                                absl::GetFlag(FLAGS_changes));
}
