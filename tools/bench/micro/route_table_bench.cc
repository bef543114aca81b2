// What it costs to find a route, to build the table, and to look for routes that are never reached.
// Shapes are those that operators have, and those that would hurt a table that scans.

#include <stdint.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "benchmark/benchmark.h"
#include "router/routes/route_table.h"
#include "router/routes/unreachable.h"

namespace tlsbridge {
namespace {

enum Shape : int64_t {
  kExactDomains,       // one domain each
  kWildcards,          // "*.domain", the clients below it
  kOneDomainByClient,  // one domain, one client address each
  kOneDomainByPort,    // one domain, one port each
  kNestedPorts,        // one domain, ranges of ports each within the one before
  kNestedBlocks,       // domains and 128 blocks each within the one before
  kMixed,              // all lists, priorities, several members
};

std::string Ip(int64_t i) {
  return absl::StrCat("10.", i >> 16 & 255, ".", i >> 8 & 255, ".", i & 255);
}

Route MakeRoute(int64_t shape, int64_t i) {
  Route route;
  route.name = absl::StrCat("route-", i);
  Match& m = route.match;
  const auto port = static_cast<uint16_t>(i + 1);
  switch (shape) {
    case kExactDomains:
      m.domains = {absl::StrCat("service-", i, ".internal")};
      break;
    case kWildcards:
      m.domains = {absl::StrCat("*.service-", i, ".internal")};
      break;
    case kOneDomainByClient:
      m.domains = {"service.internal"};
      m.client_ip = {*Cidr::Parse(Ip(i))};
      break;
    case kOneDomainByPort:
      m.domains = {"service.internal"};
      m.ports = {{port, port}};
      break;
    case kNestedPorts:
      m.domains = {"service.internal"};
      m.ports = {{port, static_cast<uint16_t>(65535 - i)}};
      break;
    case kNestedBlocks:
      m.domains = {absl::StrCat("service-", i / 129, ".internal")};
      m.client_ip = {*Cidr::Parse(absl::StrCat("::/", i % 129))};
      if (i % 129 != 0) m.alpn = {"never"};
      break;
    default:
      m.domains = {absl::StrCat("service-", i / 4, ".internal"),
                   absl::StrCat("*.service-", i / 4, ".internal")};
      m.client_ip = {*Cidr::Parse(absl::StrCat("10.", i % 200, ".0.0/16")),
                     *Cidr::Parse("192.0.2.0/24")};
      m.ports = {{443, 443}, {8000, 8999}};
      if (i % 2 == 0) m.alpn = {"h2", "http/1.1"};
      if (i % 4 == 0) m.tls_versions = {TlsVersion::kTls13};
      route.priority = static_cast<int>(i % 3);
      break;
  }
  return route;
}

std::vector<Route> MakeRoutes(const benchmark::State& state) {
  std::vector<Route> routes;
  for (int64_t i = 0; i < state.range(1); ++i) routes.push_back(MakeRoute(state.range(0), i));
  return routes;
}

struct Client {
  std::string name;
  IpBytes address;
  uint16_t port;
};

// One that fits route i, of the shape's lists.
Client MakeClient(int64_t shape, int64_t i, int64_t routes) {
  Client client = {"service.internal", Cidr::Parse(Ip(i))->prefix(), static_cast<uint16_t>(i + 1)};
  if (shape == kExactDomains) client.name = absl::StrCat("service-", i, ".internal");
  if (shape == kWildcards) client.name = absl::StrCat("a.service-", i, ".internal");
  if (shape == kNestedBlocks) {
    client.name = absl::StrCat("service-", i / 129, ".internal");
    client.address = {};
  }
  if (shape == kMixed) {
    client.name = absl::StrCat("service-", i / 4, ".internal");
    client.address = Cidr::Parse(absl::StrCat("10.", i % 200, ".1.1"))->prefix();
    client.port = 8443;
  }
  if (shape == kNestedPorts) client.port = static_cast<uint16_t>(1 + i * 65533 / routes);
  return client;
}

void SetLabel(benchmark::State& state) {
  static const char* const kLabels[] = {
      "exact domains", "wildcards", "one domain, by client", "one domain, by port", "nested ports",
      "nested blocks", "mixed"};
  state.SetLabel(kLabels[state.range(0)]);
}

void BM_Find(benchmark::State& state) {
  SetLabel(state);
  const absl::StatusOr<RouteTable> table = RouteTable::Create(MakeRoutes(state));
  if (!table.ok()) return state.SkipWithError(std::string(table.status().message()).c_str());
  // More clients than a cache of the first level holds, in an order that no prefetcher guesses.
  std::vector<Client> clients;
  for (int64_t i = 0; i < 4096; ++i) {
    clients.push_back(MakeClient(state.range(0), i * 7919 % state.range(1), state.range(1)));
  }
  const std::string alpn = "\x02h2\x08http/1.1";
  size_t next = 0;
  size_t found = 0;
  for (auto _ : state) {
    const Client& client = clients[next++ % clients.size()];
    RouteTable::Query query;
    query.port = client.port;
    query.client = client.address;
    query.server_name = client.name;
    query.alpn = tls::AlpnNames(alpn);
    query.best_version = TlsVersion::kTls13;
    const std::optional<size_t> route = table->Find(query);
    found += route.has_value() ? 1 : 0;
    benchmark::DoNotOptimize(route);
  }
  state.counters["found_%"] =
      100.0 * static_cast<double>(found) / static_cast<double>(state.iterations());
}

void BM_Create(benchmark::State& state) {
  SetLabel(state);
  const std::vector<Route> routes = MakeRoutes(state);
  for (auto _ : state) benchmark::DoNotOptimize(RouteTable::Create(routes));
}

void BM_FindUnreachable(benchmark::State& state) {
  SetLabel(state);
  const std::vector<Route> routes = MakeRoutes(state);
  for (auto _ : state) benchmark::DoNotOptimize(FindUnreachable(routes));
}

void AllShapes(benchmark::internal::Benchmark* b) {
  for (int64_t shape = kExactDomains; shape <= kMixed; ++shape) {
    for (const int64_t routes : {1, 100, 10'000}) b->Args({shape, routes});
  }
}

void AllShapesOfMany(benchmark::internal::Benchmark* b) {
  for (int64_t shape = kExactDomains; shape <= kMixed; ++shape) b->Args({shape, 10'000});
}

BENCHMARK(BM_Find)->Apply(AllShapes);
BENCHMARK(BM_Create)->Apply(AllShapesOfMany)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_FindUnreachable)->Apply(AllShapesOfMany)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tlsbridge
