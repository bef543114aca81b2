// What a connection pays for being counted: without limits for each client, with them, and for the
// key that clients are counted by.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>

#include <vector>

#include "absl/time/time.h"
#include "benchmark/benchmark.h"
#include "router/limits/admission.h"

namespace tlsbridge {
namespace {

std::vector<SocketAddress> Clients(int64_t count) {
  std::vector<SocketAddress> clients;
  for (int64_t i = 0; i < count; ++i) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(static_cast<uint32_t>(0x0a000000 + i));
    clients.push_back(
        SocketAddress::From(reinterpret_cast<const sockaddr*>(&address), sizeof(address)));
  }
  return clients;
}

void AdmitAndRelease(benchmark::State& state, const Limits& limits) {
  static Admission* admission = nullptr;
  if (state.thread_index() == 0) admission = new Admission(limits, 1'000'000);
  const std::vector<SocketAddress> clients = Clients(state.range(0));
  const absl::Time now = absl::UnixEpoch() + absl::Hours(1);
  size_t next = 0;
  for (auto _ : state) {
    Admission::Token token;
    benchmark::DoNotOptimize(admission->Admit(clients[next], now, &token));
    if (++next == clients.size()) next = 0;
  }
  if (state.thread_index() == 0) delete admission;
}

void BM_Unlimited(benchmark::State& state) { AdmitAndRelease(state, {}); }

void BM_LimitedByClient(benchmark::State& state) {
  AdmitAndRelease(state, {.connections_per_ip = 1'000'000, .new_per_ip_per_minute = INT64_MAX});
}

void BM_ClientKey(benchmark::State& state) {
  const std::vector<SocketAddress> clients = Clients(1);
  for (auto _ : state) benchmark::DoNotOptimize(clients[0].ClientKey());
}

BENCHMARK(BM_ClientKey);
BENCHMARK(BM_Unlimited)->Arg(1)->ThreadRange(1, 2);
BENCHMARK(BM_LimitedByClient)->Arg(1)->Arg(10'000)->Arg(200'000)->ThreadRange(1, 2);

}  // namespace
}  // namespace tlsbridge
