#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "router/config/kernel_reach.h"
#include "router/routes/block_map.h"
#include "router/routes/client_claims.h"
#include "router/yaml/checks.h"

namespace tlsbridge::yaml {
namespace {

bool WantsKernel(const Route& route) {
  return route.forwarding_engine == ForwardingEngine::kNftables &&
         route.action == RouteAction::kForward;
}

bool IsKernels(const Route& route) {
  return WantsKernel(route) && route.tls_mode == TlsMode::kPassthrough;
}

Cidr Block(absl::string_view text) { return *Cidr::Parse(text); }

const Cidr& AllV4() {
  static const auto* const v4 = new Cidr(Block("0.0.0.0/0"));
  return *v4;
}

// The clients of a claim that a listener can have.
std::optional<Cidr> ClientsAt(const Listener& listener, const std::optional<Cidr>& clients) {
  static const auto* const all = new Cidr(Block("::/0"));
  static const auto* const loopback4 = new Cidr(Block("127.0.0.0/8"));
  static const auto* const loopback6 = new Cidr(Block("::1"));
  const SocketAddress& address = listener.address;
  const Cidr claimed = clients.value_or(*all);
  // Their addresses are those that a header names.
  if (!listener.proxy_protocol_from.empty() || listener.proxy_protocol_from_unix) return claimed;
  if (address.is_unix()) return clients.has_value() ? std::nullopt : std::optional<Cidr>(claimed);
  const bool is_v4 = AllV4().Contains(address);
  if (address.is_loopback()) return Intersection(claimed, is_v4 ? *loopback4 : *loopback6);
  if (is_v4) return Intersection(claimed, AllV4());
  return Intersection(claimed, AllV4()) == claimed ? std::nullopt : std::optional<Cidr>(claimed);
}

class KernelChecks {
 public:
  KernelChecks(const Config& config, Reading* reading) : config_(config), reading_(reading) {}

  void Run() {
    bool may_be_used = false;
    for (size_t i = 0; i < config_.routes.size(); ++i) {
      const Route& route = config_.routes[i];
      const bool is_known = Sound(i, "forwarding_engine") && Sound(i, "action");
      may_be_used = may_be_used || !is_known || WantsKernel(route);
      if (!is_known || route.action != RouteAction::kForward) continue;
      if (WantsKernel(route)) {
        CheckKernelRoute(config_, i, reading_);
      } else if (Given(i, "kernel")) {
        Wrong(i, "kernel",
              absl::StrCat("needs ", reading_->Name(PathOf(i, "forwarding_engine"),
                                                    "forwarding_engine", "nftables")));
      }
    }
    if (may_be_used) {
      CheckListeners();
    } else if (reading_->Given("kernel")) {
      reading_->Add(reading_->MarkOf("kernel"), "kernel",
                    "no route has forwarding_engine: nftables");
    }
  }

 private:
  static std::string PathOf(size_t route, absl::string_view key) {
    return absl::StrCat("routes[", route, "].", key);
  }
  bool Given(size_t route, absl::string_view key) const {
    return reading_->Given(PathOf(route, key));
  }
  bool Sound(size_t route, absl::string_view key) const {
    return reading_->Sound(PathOf(route, key));
  }
  void Wrong(size_t route, absl::string_view key, absl::string_view message) {
    const std::string path = PathOf(route, key);
    reading_->Add(reading_->MarkOf(path), path, message);
  }

  // Of what is sound: whose each client is.
  void CheckListeners() {
    std::vector<Route> routes;
    std::vector<size_t> indices;
    for (size_t i = 0; i < config_.routes.size(); ++i) {
      if (reading_->Malformed(absl::StrCat("routes[", i, "]"))) continue;
      if (!Sound(i, "match.client_ip") || !Sound(i, "match.ports") || !Sound(i, "priority"))
        continue;
      routes.push_back(config_.routes[i]);
      indices.push_back(i);
    }
    const ClientClaims claims(routes);
    for (size_t i = 0; i < config_.listeners.size(); ++i) {
      const std::string path = absl::StrCat("listeners[", i, "]");
      if (!reading_->Given(path + ".address") || !reading_->Sound(path)) continue;
      std::vector<ClientClaim> here = claims.On(config_.listeners[i].address.port());
      for (ClientClaim& claim : here) claim.route = indices[claim.route];
      CheckListener(i, here);
    }
  }

  void CheckListener(size_t index, const std::vector<ClientClaim>& claims) {
    const Listener& listener = config_.listeners[index];
    BlockMap taken;   // whatever clients say
    BlockMap asking;  // by routes of the program's, if clients say the right thing
    std::set<size_t> told;
    for (const ClientClaim& claim : claims) {
      const std::optional<Cidr> clients = ClientsAt(listener, claim.clients);
      if (!clients.has_value() || taken.Around(*clients).has_value()) continue;
      const Route& route = config_.routes[claim.route];
      if (!IsKernels(route)) {
        (AsksClientHello(route.match) ? asking : taken).Add(*clients, claim.route);
        continue;
      }
      std::optional<size_t> rival = asking.Around(*clients);
      if (!rival.has_value()) {
        rival = asking.FirstInside(
            *clients, [&taken](const Cidr& block) { return !taken.Around(block).has_value(); });
      }
      taken.Add(*clients, claim.route);
      if (rival.has_value()) TellRival(claim.route, *rival);
      if (told.insert(claim.route).second) CheckServed(claim.route, index);
    }
  }

  void TellRival(size_t route, size_t rival) {
    if (!rivals_told_.insert(route).second) return;
    Wrong(
        route, "forwarding_engine",
        absl::StrCat(
            "routes[", rival, "] (", Quoted(config_.routes[rival].name),
            ") is matched first for the same clients and needs their ClientHello, which the kernel "
            "does not see; give this route a port of its own or a higher priority, or use proxy"));
  }

  void CheckServed(size_t route, size_t index) {
    const Listener& listener = config_.listeners[index];
    const std::string named =
        absl::StrCat("listeners[", index, "] (", listener.address.ToString(), ")");
    const absl::string_view why = WhyKernelCannotServe(listener);
    if (!why.empty()) {
      Wrong(route, "forwarding_engine",
            absl::StrCat("nftables cannot serve ", named, ", whose clients this route takes: it ",
                         why, "; exclude it by match.ports, or use proxy"));
      return;
    }
    const std::vector<Backend>& backends = config_.routes[route].backends;
    if (!Sound(route, "backends") || backends.empty()) return;
    // An address in its IPv4-mapped form is of IPv4, here as in the kernel's rules.
    const bool is_v4 = AllV4().Contains(listener.address);
    const bool reached = std::any_of(backends.begin(), backends.end(), [is_v4](const Backend& b) {
      return b.address.kind != BackendAddress::Kind::kSocket ||
             AllV4().Contains(b.address.socket) == is_v4;
    });
    if (reached || !families_told_.insert({route, is_v4}).second) return;
    Wrong(
        route, "backends",
        absl::StrCat("none has an ", is_v4 ? "IPv4" : "IPv6", " address for the clients of ", named,
                     ", and the kernel does not translate between families; add one, or use "
                     "forwarding_engine: proxy"));
  }

  const Config& config_;
  Reading* const reading_;  // Not owned.
  std::set<size_t> rivals_told_;
  std::set<std::pair<size_t, bool>> families_told_;
};

}  // namespace

void CheckKernel(const Config& config, Reading* reading) { KernelChecks(config, reading).Run(); }

}  // namespace tlsbridge::yaml
