// How long the kernel takes to get the rules of many routes, and to get one change of a backend's
// health, both from the plan on. In the network namespace that it is started in; one JSON object on
// standard output.

#include <chrono>
#include <cstdio>
#include <string>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_cat.h"
#include "router/kernel/build_ruleset.h"
#include "router/kernel/kernel_table.h"
#include "router/kernel/plan_change.h"

ABSL_FLAG(int, routes, 10000, "each with a port of its own");
ABSL_FLAG(int, backends, 1, "of each route");

namespace tlsbridge::bench {
namespace {

using kernel::Endpoint;
using kernel::KernelTable;
using kernel::Plan;

constexpr int kChanges = 100;

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

double Milliseconds(std::chrono::steady_clock::duration took) {
  return std::chrono::duration<double, std::milli>(took).count();
}

int Main(int routes, int backends) {
  Plan plan = ManyRoutes(routes, backends);
  const auto began = std::chrono::steady_clock::now();
  const auto table = KernelTable::Create(kernel::BuildRuleset(plan), {});
  const auto loaded = std::chrono::steady_clock::now();
  if (!table.ok()) {
    std::fprintf(stderr, "rules: %s\n", std::string(table.status().message()).c_str());
    return 1;
  }
  std::chrono::steady_clock::duration changing{};
  for (int i = 0; i < kChanges; ++i) {
    Plan next = plan;
    kernel::Backend& backend = next.routes[static_cast<size_t>(i * 97 % routes)].backends[0];
    backend.serving = !backend.serving;
    const auto change_began = std::chrono::steady_clock::now();
    const auto change = kernel::FindChange(plan, next);
    if (!change || !(*table)->Apply(*change).ok()) {
      std::fprintf(stderr, "rules: a change was refused\n");
      return 1;
    }
    changing += std::chrono::steady_clock::now() - change_began;
    plan = std::move(next);
  }
  std::printf("{\"routes\": %d, \"backends\": %d, \"load_ms\": %.2f, \"change_ms\": %.3f}\n",
              routes, backends, Milliseconds(loaded - began), Milliseconds(changing) / kChanges);
  return 0;
}

}  // namespace
}  // namespace tlsbridge::bench

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("rules [options]");
  absl::ParseCommandLine(argc, argv);
  return tlsbridge::bench::Main(absl::GetFlag(FLAGS_routes), absl::GetFlag(FLAGS_backends));
}
