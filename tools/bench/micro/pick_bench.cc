// What a connection pays for the choice of its backend, by how many there are; and for one more
// choice after others have failed.

#include <stdint.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "benchmark/benchmark.h"
#include "router/backends/backend_pool.h"

namespace tlsbridge {
namespace {

const absl::Time kNow = absl::UnixEpoch() + absl::Hours(1);

std::shared_ptr<BackendPool> PoolOf(int64_t backends, Balance balance) {
  Route route;
  route.name = "orders";
  route.balance = balance;
  for (int64_t i = 0; i < backends; ++i) {
    route.backends.push_back(
        {{.socket = *SocketAddress::Parse(absl::StrCat("10.1.", i / 250, ".", i % 250, ":80"))}});
  }
  return BackendPool::Create(route, kNow, std::make_shared<EndpointBook>());
}

void Pick(benchmark::State& state, Balance balance) {
  const auto pool = PoolOf(state.range(0), balance);
  const SocketAddress client = *SocketAddress::Parse("10.9.8.7:4711");
  uint64_t random = 0;
  for (auto _ : state) {
    const BackendPool::Lease lease = pool->Pick(client, {}, kNow, ++random);
    benchmark::DoNotOptimize(&lease);
  }
}

void BM_PickRoundRobin(benchmark::State& state) { Pick(state, Balance::kRoundRobin); }
void BM_PickLeastConnections(benchmark::State& state) { Pick(state, Balance::kLeastConnections); }
void BM_PickSourceHash(benchmark::State& state) { Pick(state, Balance::kSourceHash); }
void BM_PickRandomTwo(benchmark::State& state) { Pick(state, Balance::kRandomTwo); }

// The third of three attempts, as many as there are by default.
void BM_PickAfterFailures(benchmark::State& state) {
  const auto pool = PoolOf(state.range(0), Balance::kRoundRobin);
  const SocketAddress client;
  std::vector<EndpointId> tried;
  while (tried.size() < 2) tried.push_back(pool->Pick(client, tried, kNow, 0).endpoint());
  for (auto _ : state) {
    const BackendPool::Lease lease = pool->Pick(client, tried, kNow, 0);
    benchmark::DoNotOptimize(pool->Untried(tried, kNow));
  }
}

BENCHMARK(BM_PickRoundRobin)->Arg(3)->Arg(100)->Arg(1000);
BENCHMARK(BM_PickLeastConnections)->Arg(3)->Arg(100)->Arg(1000);
BENCHMARK(BM_PickSourceHash)->Arg(3)->Arg(100)->Arg(1000);
BENCHMARK(BM_PickRandomTwo)->Arg(3)->Arg(100)->Arg(1000);
BENCHMARK(BM_PickAfterFailures)->Arg(3)->Arg(100)->Arg(1000);

}  // namespace
}  // namespace tlsbridge
