#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "router/routes/own_listener.h"
#include "router/yaml/checks.h"

namespace tlsbridge::yaml {
namespace {

class RouteChecks {
 public:
  RouteChecks(const Config& config, size_t index, Reading* reading)
      : config_(config),
        route_(config.routes[index]),
        path_(absl::StrCat("routes[", index, "]")),
        reading_(reading) {}

  void Run() {
    CheckMatch();
    CheckLimitsOfSettings();
    CheckKeepAlive();
    CheckHealth();
    if (Sound("action") && route_.action == RouteAction::kBlock) return CheckBlock();
    // What is missing or superfluous depends on the action and the mode; the rest does not.
    if (Sound("action")) CheckForward();
    CheckBackends();
    CheckServerTls();
    CheckBackendTls();
  }

 private:
  std::string PathOf(absl::string_view key) const { return absl::StrCat(path_, ".", key); }
  bool Given(absl::string_view key) const { return reading_->Given(PathOf(key)); }
  bool Sound(absl::string_view key) const { return reading_->Sound(PathOf(key)); }
  // Whether it is not there, though what it would be in is as it should be.
  bool Missing(absl::string_view key) const {
    const std::string path = PathOf(key);
    return !reading_->Malformed(path_) && !reading_->Given(path) &&
           !reading_->Malformed(absl::string_view(path).substr(0, path.rfind('.')));
  }
  bool HasMode(TlsMode mode) const { return Sound("tls.mode") && route_.tls_mode == mode; }
  void Wrong(absl::string_view key, absl::string_view message) {
    const std::string path = key.empty() ? path_ : PathOf(key);
    reading_->Add(reading_->MarkOf(path), path, message);
  }
  // Another key of the route, for a message.
  std::string Name(absl::string_view key, absl::string_view shown,
                   absl::string_view value = "") const {
    return reading_->Name(PathOf(key), shown, value);
  }
  std::string Reencryption() const {
    return Name("tls.mode", "tls.mode", "terminate-and-reencrypt");
  }
  // Each of `keys` that is given contradicts something else.
  void Refuse(const std::vector<absl::string_view>& keys, absl::string_view message) {
    for (const absl::string_view key : keys) {
      if (Given(key)) Wrong(key, message);
    }
  }

  bool ListenersHaveAddresses() const {
    for (size_t i = 0; i < config_.listeners.size(); ++i) {
      const std::string path = absl::StrCat("listeners[", i, "].address");
      if (!reading_->Given(path) || !reading_->Sound(path)) return false;
    }
    return reading_->Given("listeners") && !config_.listeners.empty();
  }

  void CheckMatch() {
    if (!ListenersHaveAddresses()) return;
    const auto listens = [this](const PortRange& range) {
      return std::any_of(
          config_.listeners.begin(), config_.listeners.end(), [&range](const Listener& listener) {
            const uint16_t port = listener.address.port();
            // Port 0 becomes any.
            return !listener.address.is_unix() && (port == 0 || range.Contains(port));
          });
    };
    for (size_t i = 0; i < route_.match.ports.size(); ++i) {
      const std::string key = absl::StrCat("match.ports[", i, "]");
      if (Sound(key) && !listens(route_.match.ports[i])) Wrong(key, "no listener has this port");
    }
    const bool all_unix = std::all_of(
        config_.listeners.begin(), config_.listeners.end(), [](const Listener& listener) {
          return listener.address.is_unix() && !listener.proxy_protocol_from_unix;
        });
    if (all_unix) {
      Refuse({"match.client_ip", "allow_ip", "deny_ip"},
             "all listeners are UNIX sockets, whose clients have no IP address");
    }
  }

  void CheckLimitsOfSettings() {
    if (Sound("dns.ttl_floor") && Sound("dns.ttl_ceiling") &&
        route_.dns.ttl_floor > route_.dns.ttl_ceiling) {
      Wrong("dns.ttl_floor",
            absl::StrCat(absl::FormatDuration(route_.dns.ttl_floor), " is more than ",
                         Name("dns.ttl_ceiling", "ttl_ceiling"), ", which is ",
                         absl::FormatDuration(route_.dns.ttl_ceiling)));
    }
    for (size_t i = 0; i < route_.dns.servers.size(); ++i) {
      const SocketAddress& server = route_.dns.servers[i];
      const std::string key = absl::StrCat("dns.servers[", i, "]");
      if (!Sound(key)) continue;
      if (server.is_unix()) Wrong(key, "a name server must be given by its IP address");
      if (server.has_zone()) Wrong(key, "a name server cannot have a zone");
    }
    if (Sound("ejection.first") && Sound("ejection.longest") &&
        route_.ejection.first > route_.ejection.longest) {
      Wrong("ejection.first",
            absl::StrCat(absl::FormatDuration(route_.ejection.first), " is more than ",
                         Name("ejection.longest", "longest"), ", which is ",
                         absl::FormatDuration(route_.ejection.longest)));
    }
  }

  void CheckKeepAlive() {
    if (!Sound("keep_alive.treatment") ||
        route_.keep_alive.treatment == KeepAliveTreatment::kExtended) {
      return;
    }
    Refuse({"keep_alive.multiplier", "keep_alive.warning"},
           absl::StrCat("needs ", Name("keep_alive.treatment", "treatment", "extended")));
  }

  void CheckHealth() {
    if (!Sound("health_check.kind")) return;
    const HealthCheck::Kind kind = route_.health.kind;
    if (kind == HealthCheck::Kind::kNone && Given("health_check")) {
      Refuse(
          {"health_check.interval", "health_check.timeout", "health_check.healthy_after",
           "health_check.unhealthy_after"},
          absl::StrCat("needs ", Name("health_check.kind", "kind", "tcp"), ", tls or send-expect"));
    }
    if (kind != HealthCheck::Kind::kSendExpect) {
      Refuse({"health_check.send", "health_check.expect"},
             absl::StrCat("needs ", Name("health_check.kind", "kind", "send-expect")));
    } else if (Missing("health_check.expect")) {
      Wrong("health_check.expect", "is missing: what the answer begins with");
    }
    // A terminated connection goes on as plaintext, which no handshake can probe.
    if (kind == HealthCheck::Kind::kTls && HasMode(TlsMode::kTerminate)) {
      Wrong("health_check.kind",
            absl::StrCat("tls contradicts ", Name("tls.mode", "tls.mode", "terminate"),
                         ", whose backends speak plaintext; use tcp or send-expect"));
    }
  }

  void CheckBlock() {
    Refuse({"tls", "forwarding_engine", "kernel", "backends", "unsafe_backend", "balance",
            "health_check", "ejection", "slow_start", "dns", "backend_tls", "send_proxy_protocol",
            "tcp", "keep_alive"},
           "contradicts action: block, which bridges nothing");
  }

  void CheckForward() {
    if (Given("block_with_alert")) Wrong("block_with_alert", "needs action: block");
    if (Missing("backends")) {
      Wrong("backends", "is missing: where connections go; or use action: block");
    }
    if (!Sound("tls.mode")) return;
    if (route_.tls_mode == TlsMode::kPassthrough) {
      CheckPassthrough();
    } else if (Missing("tls.certificates")) {
      Wrong("tls.certificates",
            "is missing: certificate and key for clients; or use mode: passthrough");
    }
    if (route_.tls_mode != TlsMode::kTerminateAndReencrypt) {
      Refuse({"backend_tls"}, absl::StrCat("needs ", Reencryption()));
    } else if (Sound("backend_tls.insecure_skip_verify") &&
               !route_.backend_tls.insecure_skip_verify && Missing("backend_tls.verify_name")) {
      Wrong("backend_tls.verify_name",
            absl::StrCat("is missing: the DNS name or IP address that the backend's certificate "
                         "must cover; or disable verification with ",
                         Name("backend_tls.insecure_skip_verify", "insecure_skip_verify", "true")));
    }
    CheckPlaintext();
  }

  void CheckBackends() {
    absl::flat_hash_map<std::string, size_t> first;
    bool looked_up = false;
    for (size_t i = 0; i < route_.backends.size(); ++i) {
      const BackendAddress& address = route_.backends[i].address;
      const std::string key = absl::StrCat("backends[", i, "].address");
      if (!Given(key) || !Sound(key)) continue;
      looked_up = looked_up || address.kind != BackendAddress::Kind::kSocket;
      if (address.kind == BackendAddress::Kind::kSocket) CheckNotOurselves(i, address.socket);
      const auto [entry, inserted] = first.emplace(address.ToString(), i);
      if (inserted) continue;
      const std::string first_key = absl::StrCat("backends[", entry->second, "]");
      Wrong(key, absl::StrCat("is the same as that of ", Name(first_key, first_key),
                              "; use weight for a larger share"));
    }
    if (!Sound("backends") || route_.backends.empty()) return;
    const auto none = [this](auto gets_nothing) {
      return std::all_of(route_.backends.begin(), route_.backends.end(), gets_nothing);
    };
    if (none([](const Backend& backend) { return backend.weight == 0; })) {
      Wrong("backends", "all weights are 0, so none gets connections");
    } else if (none([](const Backend& backend) { return backend.drain || backend.weight == 0; })) {
      Wrong("backends",
            "all drain or have weight 0, so none gets connections; to take the route out of "
            "service use action: block");
    }
    if (!looked_up && Given("dns")) Wrong("dns", "no backend is a dns: or srv: name");
  }

  void CheckNotOurselves(size_t backend, const SocketAddress& address) {
    const std::optional<size_t> listener = OwnListener(config_, route_, address);
    if (!listener.has_value()) return;
    Wrong(absl::StrCat("backends[", backend, "].address"),
          absl::StrCat(address.ToString(), " is ",
                       reading_->Name(absl::StrCat("listeners[", *listener, "]"),
                                      absl::StrCat("listeners[", *listener, "]")),
                       " of this program, whose clients this route takes: each connection would "
                       "lead to itself; name the service's own address"));
  }

  void CheckPassthrough() {
    Refuse({"tls.certificates", "tls.alpn", "tls.min_version", "tls.max_version", "tls.ciphers",
            "tls.groups", "tls.refuse_unknown_sni", "tls.client_auth", "tls.tickets",
            "tls.truncation"},
           "contradicts mode: passthrough, which leaves TLS to the backend");
  }

  void CheckServerTls() {
    if (HasMode(TlsMode::kPassthrough)) return;
    if (Sound("tls.min_version") && Sound("tls.max_version")) CheckVersions();
    if (Sound("tls.alpn")) CheckAlpn();
    CheckClientAuth();
    CheckTickets();
  }

  void CheckVersions() {
    const ServerTls& tls = route_.tls;
    if (tls.min_version > tls.max_version) {
      Wrong("tls.min_version",
            absl::StrCat("1.3 is newer than ", Name("tls.max_version", "max_version"),
                         ", which is 1.2"));
      return;
    }
    if (tls.min_version == TlsVersion::kTls13) {
      Refuse({"tls.ciphers"},
             absl::StrCat("is for TLS 1.2, which ", Name("tls.min_version", "min_version", "1.3"),
                          " excludes"));
      const auto& wanted = route_.match.tls_versions;
      if (Sound("match.tls_versions") && !wanted.empty() &&
          std::find(wanted.begin(), wanted.end(), TlsVersion::kTls13) == wanted.end()) {
        Wrong("match.tls_versions",
              "only clients without TLS 1.3 match, and tls.min_version: 1.3 refuses them all");
      }
    }
  }

  void CheckAlpn() {
    const std::vector<std::string>& wanted = route_.match.alpn;
    const std::vector<std::string>& spoken = route_.tls.alpn;
    if (wanted.empty() || spoken.empty()) return;
    for (size_t i = 0; i < wanted.size(); ++i) {
      const std::string key = absl::StrCat("match.alpn[", i, "]");
      if (!Sound(key)) continue;
      if (std::find(spoken.begin(), spoken.end(), wanted[i]) != spoken.end()) continue;
      Wrong(key,
            absl::StrCat(Quoted(wanted[i]), " is none of tls.alpn (", absl::StrJoin(spoken, ", "),
                         "), so what is matched is never negotiated"));
    }
  }

  void CheckClientAuth() {
    if (!Sound("tls.client_auth.mode") || !Given("tls.client_auth.mode")) return;
    if (route_.tls.client.mode == ClientCertificateMode::kOff) {
      Refuse({"tls.client_auth.ca", "tls.client_auth.crl", "tls.client_auth.allow",
              "tls.client_auth.observe_only"},
             absl::StrCat("contradicts ", Name("tls.client_auth.mode", "mode", "off"),
                          "; use required or optional"));
    } else if (Missing("tls.client_auth.ca")) {
      Wrong("tls.client_auth.ca", "is missing: without it no client certificate can be verified");
    }
  }

  void CheckTickets() {
    if (!Sound("tls.tickets.mode") || !Given("tls.tickets")) return;
    const TicketMode mode = route_.tls.tickets.mode;
    const bool wants_file = mode == TicketMode::kFile || mode == TicketMode::kShared;
    if (wants_file && Missing("tls.tickets.file")) {
      Wrong("tls.tickets.file", "is missing: the modes file and shared need it");
    }
    if (!wants_file) Refuse({"tls.tickets.file"}, "needs mode: file or mode: shared");
  }

  void CheckBackendTls() {
    // Else the whole is superfluous, which is told.
    if (Sound("tls.mode") && route_.tls_mode != TlsMode::kTerminateAndReencrypt) return;
    if (route_.backend_tls.insecure_skip_verify) {
      Refuse({"backend_tls.ca"},
             absl::StrCat("contradicts ",
                          Name("backend_tls.insecure_skip_verify", "insecure_skip_verify", "true"),
                          ", which verifies nothing"));
    }
    if (Given("backend_tls.cert") && Missing("backend_tls.key")) {
      Wrong("backend_tls.key", absl::StrCat("is missing: the private key of ",
                                            Name("backend_tls.cert", "backend_tls.cert")));
    }
    if (Given("backend_tls.key") && Missing("backend_tls.cert")) {
      Wrong("backend_tls.cert", absl::StrCat("is missing: the certificate of ",
                                             Name("backend_tls.key", "backend_tls.key")));
    }
    if (Sound("tls.alpn") && Sound("backend_tls.alpn")) CheckBackendAlpn();
  }

  // A backend is offered what was agreed on with the client.
  void CheckBackendAlpn() {
    const std::vector<std::string>& clients = route_.tls.alpn;
    const std::vector<std::string>& backends = route_.backend_tls.alpn;
    if (backends.empty()) return;
    if (clients.empty()) {
      Wrong("backend_tls.alpn", absl::StrCat("is never offered: a backend is offered what was "
                                             "negotiated with the client, and without ",
                                             Name("tls.alpn", "tls.alpn"), " nothing is"));
    } else if (std::find_first_of(clients.begin(), clients.end(), backends.begin(),
                                  backends.end()) == clients.end()) {
      Wrong("backend_tls.alpn",
            absl::StrCat("has none of ", Name("tls.alpn", "tls.alpn"), " (",
                         absl::StrJoin(clients, ", "),
                         "), so no protocol can be negotiated with both client and backend"));
    }
  }

  void CheckPlaintext() {
    if (route_.tls_mode != TlsMode::kTerminate) {
      Refuse({"unsafe_backend"}, absl::StrCat("is for ", Name("tls.mode", "tls.mode", "terminate"),
                                              "; in other modes nothing is plaintext"));
      return;
    }
    if (route_.unsafe_backend || !Sound("unsafe_backend")) return;
    for (size_t i = 0; i < route_.backends.size(); ++i) {
      const std::string key = absl::StrCat("backends[", i, "].address");
      const BackendAddress& address = route_.backends[i].address;
      // What a name means is judged when it is known (RouteResolver).
      if (address.kind != BackendAddress::Kind::kSocket) continue;
      if (!Given(key) || !Sound(key) || address.socket.is_loopback()) continue;
      Wrong(key, absl::StrCat(address.ToString(),
                              " is not on this machine, and traffic to it would cross the network "
                              "unencrypted; use a loopback address or a UNIX socket, ",
                              Reencryption(), ", or allow it with ",
                              Name("unsafe_backend", "unsafe_backend", "true")));
    }
  }

  const Config& config_;
  const Route& route_;
  const std::string path_;
  Reading* const reading_;  // Not owned.
};

}  // namespace

void CheckRoute(const Config& config, size_t index, Reading* reading) {
  RouteChecks(config, index, reading).Run();
}

}  // namespace tlsbridge::yaml
