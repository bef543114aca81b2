#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "router/config/kernel_reach.h"
#include "router/routes/match_order.h"
#include "router/yaml/checks.h"

namespace tlsbridge::yaml {
namespace {

constexpr int64_t kMostInKernel = UINT32_MAX;

// A key that is given, and what it says other than what the kernel does anyway.
struct Refusal {
  absl::string_view key;
  bool (*matters)(const Route& route);
  absl::string_view why;  // and what to do about it, if not to use proxy
};

bool Always(const Route& /*route*/) { return true; }

const Refusal kRefusals[] = {
    {"match.alpn", [](const Route& route) { return !route.match.alpn.empty(); },
     "the kernel cannot see ALPN; give the route a port of its own"},
    {"match.tls_versions", [](const Route& route) { return !route.match.tls_versions.empty(); },
     "the kernel cannot see the TLS version; give the route a port of its own"},
    {"balance",
     [](const Route& route) {
       return route.balance != Balance::kRoundRobin && route.balance != Balance::kSourceHash;
     },
     "the kernel does not count connections per backend; use round-robin or source-hash"},
    {"slow_start", [](const Route& route) { return route.slow_start > absl::ZeroDuration(); },
     "the kernel has no slow start; remove it"},
    {"send_proxy_protocol",
     [](const Route& route) { return route.send_proxy != ProxyProtocol::kNone; },
     "the kernel cannot send PROXY protocol headers; use kernel.source: keep to show backends the "
     "client's address"},
    {"tcp", Always, "the kernel forwards packets and has no sockets to set options on; remove it"},
    {"keep_alive.treatment",
     [](const Route& route) { return route.keep_alive.treatment != KeepAliveTreatment::kStandard; },
     "the kernel has one inactivity timeout and no warning before it; set timeouts.inactivity"},
    {"timeouts.handshake", Always, "the kernel cannot see handshakes; remove it"},
    {"timeouts.connect_attempts",
     [](const Route& route) { return route.timeouts.connect_attempts != 1; },
     "the kernel tries only one backend; remove it, and let health_check and ejection take bad "
     "ones out"},
    {"timeouts.initial_data",
     [](const Route& route) { return route.timeouts.initial_data > absl::ZeroDuration(); },
     "the kernel has no timeout for first bytes; set timeouts.inactivity"},
    {"timeouts.close_grace", Always, "the kernel has no sockets to close; remove it"},
};

class KernelRouteChecks {
 public:
  KernelRouteChecks(const Config& config, size_t index, Reading* reading)
      : config_(config),
        route_(config.routes[index]),
        path_(absl::StrCat("routes[", index, "]")),
        reading_(reading) {}

  void Run() {
    // Then it is not for this engine at all.
    if (Sound("tls.mode") && route_.tls_mode != TlsMode::kPassthrough) {
      Wrong("forwarding_engine",
            absl::StrCat("nftables needs ", Name("tls.mode", "tls.mode", "passthrough"),
                         ", since the kernel does not speak TLS; or use proxy"));
      return;
    }
    CheckDomains();
    for (const Refusal& refusal : kRefusals) {
      if (!Given(refusal.key) || !Sound(refusal.key) || !refusal.matters(route_)) continue;
      Wrong(refusal.key, absl::StrCat(refusal.why, OrProxy()));
    }
    CheckTimeout("timeouts.connect", route_.timeouts.connect);
    CheckTimeout("timeouts.inactivity", route_.timeouts.inactivity);
    CheckTimeout("timeouts.half_close", route_.timeouts.half_close);
    CheckLimit("connections", config_.limits.connections, route_.limits.connections);
    CheckLimit("connections_per_ip", config_.limits.connections_per_ip,
               route_.limits.connections_per_ip);
    CheckLimit("rate_per_ip_per_minute", config_.limits.new_per_ip_per_minute,
               route_.limits.new_per_ip_per_minute);
    CheckBackends();
  }

 private:
  std::string PathOf(absl::string_view key) const { return absl::StrCat(path_, ".", key); }
  bool Given(absl::string_view key) const { return reading_->Given(PathOf(key)); }
  bool Sound(absl::string_view key) const { return reading_->Sound(PathOf(key)); }
  std::string Name(absl::string_view key, absl::string_view shown, absl::string_view value) const {
    return reading_->Name(PathOf(key), shown, value);
  }
  std::string OrProxy() const {
    return absl::StrCat(", or use ", Name("forwarding_engine", "forwarding_engine", "proxy"));
  }
  void Wrong(absl::string_view key, absl::string_view message) {
    const std::string path = PathOf(key);
    reading_->Add(reading_->MarkOf(path), path, message);
  }

  void CheckDomains() {
    for (size_t i = 0; i < route_.match.domains.size(); ++i) {
      const std::string key = absl::StrCat("match.domains[", i, "]");
      if (!Sound(key) || DomainKindOf(route_.match.domains[i]) == DomainKind::kAll) continue;
      Wrong(key,
            absl::StrCat("the kernel cannot see SNI; give the route a port of its own", OrProxy()));
    }
  }

  void CheckTimeout(absl::string_view key, absl::Duration timeout) {
    if (!Given(key) || !Sound(key)) return;
    const absl::Duration whole = absl::Ceil(timeout, absl::Seconds(1));
    if (whole > kLongestKernelTimeout) {
      Wrong(key,
            absl::StrCat("the kernel counts up to ", absl::FormatDuration(kLongestKernelTimeout),
                         "; use that or less", OrProxy()));
    } else if (whole != timeout) {
      Wrong(key, absl::StrCat("the kernel counts whole seconds; use ", absl::FormatDuration(whole),
                              OrProxy()));
    }
  }

  // The program's own limits count what has a socket here.
  void CheckLimit(absl::string_view name, int64_t of_program, int64_t of_route) {
    const std::string key = absl::StrCat("limits.", name);
    if (Given(key) && Sound(key) && of_route > kMostInKernel) {
      Wrong(key, absl::StrCat("the kernel counts up to ", kMostInKernel, "; use 0 for no limit"));
    }
    if (!reading_->Sound(key) || of_program == 0 || Given(key) ||
        reading_->Malformed(PathOf("limits"))) {
      return;
    }
    Wrong(key,
          absl::StrCat("is missing: ", reading_->Name(key, absl::StrCat(key, " of the program")),
                       " does not count what the kernel forwards; give this route one of its "
                       "own, 0 for none"));
  }

  void CheckBackends() {
    for (size_t i = 0; i < route_.backends.size(); ++i) {
      const BackendAddress& address = route_.backends[i].address;
      const std::string key = absl::StrCat("backends[", i, "].address");
      if (!Given(key) || !Sound(key) || address.kind != BackendAddress::Kind::kSocket) continue;
      const absl::string_view why = WhyKernelCannotForwardTo(address.socket);
      if (why.empty()) continue;
      Wrong(key, absl::StrCat(address.ToString(), " ", why,
                              "; use an address of the machine itself", OrProxy()));
    }
  }

  const Config& config_;
  const Route& route_;
  const std::string path_;
  Reading* const reading_;  // Not owned.
};

}  // namespace

void CheckKernelRoute(const Config& config, size_t index, Reading* reading) {
  KernelRouteChecks(config, index, reading).Run();
}

}  // namespace tlsbridge::yaml
