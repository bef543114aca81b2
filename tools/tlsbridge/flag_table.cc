#include "tools/tlsbridge/flag_table.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "router/yaml/describe.h"

namespace tlsbridge {
namespace {

using Kind = Flag::Kind;

constexpr absl::string_view kRoute = "routes[].";

// Names from before flags came from the table of keys.
struct Alias {
  absl::string_view key;
  absl::string_view flag;
};
constexpr Alias kAliases[] = {
    {"routes[].allow_ip", "allow-client-ip"},  // --allow-ip is a rule for certificates
    {"routes[].deny_ip", "deny-client-ip"},
    {"routes[].send_proxy_protocol", "send-proxy"},
    {"routes[].tls.refuse_unknown_sni", "refuse-unknown-sni"},
    {"routes[].tls.alpn", "alpn"},
    {"routes[].tls.min_version", "min-tls"},
    {"routes[].tls.max_version", "max-tls"},
    {"routes[].tls.ciphers", "ciphers"},
    {"routes[].tls.groups", "groups"},
    {"routes[].tls.truncation", "truncation"},
    {"routes[].tls.client_auth.mode", "client-cert"},
    {"routes[].tls.client_auth.ca", "client-ca"},
    {"routes[].tls.client_auth.crl", "client-crl"},
    {"routes[].tls.client_auth.observe_only", "observe-only"},
    {"routes[].backend_tls.ca", "backend-ca"},
    {"routes[].backend_tls.verify_name", "backend-name"},
    {"routes[].backend_tls.sni", "backend-sni"},
    {"routes[].backend_tls.cert", "backend-cert"},
    {"routes[].backend_tls.key", "backend-key"},
    {"routes[].backend_tls.alpn", "backend-alpn"},
    {"routes[].backend_tls.insecure_skip_verify", "backend-insecure"},
    {"routes[].backend_tls.truncation", "backend-truncation"},
    {"routes[].timeouts.handshake", "handshake-timeout"},
    {"routes[].timeouts.connect", "connect-timeout"},
    {"routes[].timeouts.connect_attempts", "connect-attempts"},
    {"routes[].timeouts.initial_data", "initial-data-timeout"},
    {"routes[].timeouts.inactivity", "inactivity-timeout"},
    {"routes[].timeouts.half_close", "half-close-timeout"},
    {"routes[].timeouts.max_lifetime", "max-lifetime"},
    {"routes[].timeouts.close_grace", "close-grace"},
    {"routes[].keep_alive.treatment", "keep-alive"},
    {"routes[].tcp.keepalive_idle", "tcp-keepalive"},
    {"limits.connections", "max-connections"},
    {"limits.connections_per_ip", "max-connections-per-ip"},
    {"limits.rate_per_ip_per_minute", "max-new-per-ip-per-minute"},
    {"limits.handshakes", "max-handshakes"},
    {"limits.handshakes_per_ip", "max-handshakes-per-ip"},
    {"shutdown.drain_delay", "drain-delay"},
    {"shutdown.drain_timeout", "drain-timeout"},
    {"admin.address", "admin-listen"},
    {"admin.metrics_address", "metrics-listen"},
};

// Keys that are no flags: said by flags of their own below, or of no use with one route.
constexpr absl::string_view kNoFlags[] = {
    "listeners.",
    "listeners[].",
    "routes[].name",
    "routes[].priority",
    "routes[].match",
    "routes[].action",
    "routes[].block_with_alert",
    "routes[].tls.mode",
    "routes[].tls.certificates",
    "routes[].tls.tickets",
    "routes[].tls.client_auth.allow",
    "routes[].backends",
    "routes[].limits",
    "routes[].log_level",
    // A sidecar ends TLS, which the kernel does not.
    "routes[].kernel",
    "kernel.",
    // A switch of every command; and a sidecar's files stay the same.
    "sandbox.",
};

// Help of keys that a flag says in another way than the file.
const std::map<absl::string_view, absl::string_view>& OwnHelp() {
  static const auto* const help = new std::map<absl::string_view, absl::string_view>{
      {"client-ca", "PEM file with the CAs of client certificates. Clients must then present one."},
      {"client-cert",
       "With --client-ca: required (the default), or optional to accept clients without a "
       "certificate."},
      {"backend-ca",
       "Use TLS to the backend too, and trust the CAs in this PEM file ('system': the system's)."},
      {"backend-insecure",
       "Use TLS to the backend without verifying its certificate: an impostor can read and change "
       "everything."},
      {"forwarding-engine",
       "What forwards the bytes: proxy. The kernel (nftables) does not terminate TLS; it is for "
       "tlsbridge run."},
      {"unsafe-backend",
       "Allow a backend that is neither on loopback nor a UNIX socket. Traffic to it crosses the "
       "network unencrypted."},
  };
  return *help;
}

// Flags that are no keys by themselves.
std::vector<KeyFlag> Only(std::vector<Flag> flags) {
  std::vector<KeyFlag> only;
  only.reserve(flags.size());
  for (Flag& flag : flags) only.push_back({std::move(flag), ""});
  return only;
}

std::vector<KeyFlag> ServiceOnly() {
  return Only({
      {"listen",
       "Address that clients connect to: HOST:PORT, [IPV6]:PORT, unix:/PATH or unix:@NAME. May be "
       "repeated.",
       "", Kind::kList},
      {"listen-name",
       "FileDescriptorName= of the systemd socket for this listener; not needed if the socket has "
       "its address. May be repeated, once for each --listen.",
       "", Kind::kList},
      {"proxy-from",
       "Peers that must send a PROXY protocol header first: an address, a block such as "
       "10.0.0.0/8, or unix. May be repeated.",
       "", Kind::kList},
      {"backend",
       "Address of the backend: HOST:PORT, [IPV6]:PORT, unix:/PATH, unix:@NAME, dns:NAME:PORT or "
       "srv:_SERVICE._tcp.NAME. May be repeated: they take turns, and the next one is tried if one "
       "cannot be reached.",
       "", Kind::kList},
  });
}

std::vector<KeyFlag> CertificatesOnly() {
  return Only({
      {"cert",
       "PEM file with a certificate, followed by its chain. May be repeated: the client's SNI and "
       "signature algorithms decide which one is presented; the first is the default.",
       "", Kind::kList, /*is_file=*/true},
      {"key", "PEM file with its private key, unencrypted. One for each --cert, in the same order.",
       "", Kind::kList, /*is_file=*/true},
      {"ocsp", "File with an OCSP response (DER) to staple; in the order of --cert.", "",
       Kind::kList, /*is_file=*/true},
      {"tickets",
       "Session ticket keys: auto (random, rotated every 12 h), file:PATH (one base64 secret per "
       "line; the first encrypts), shared:PATH (derived from one secret and the clock, so that "
       "replicas agree) or off.",
       "auto",
       Kind::kValue,
       /*is_file=*/false,
       {"auto", "file:", "shared:", "off"}},
  });
}

std::vector<KeyFlag> AllowOnly() {
  return Only({
      {"allow-cn", "Allow clients with this common name (exact match).", "", Kind::kList},
      {"allow-ou", "... with this organizational unit.", "", Kind::kList},
      {"allow-dns", "... with this DNS name; *.NAME matches one label.", "", Kind::kList},
      {"allow-ip", "... with this IP address in their certificate.", "", Kind::kList},
      {"allow-uri",
       "... with this URI, such as spiffe://prod/ns/*/sa/api: * matches within a segment, a "
       "trailing /** everything below.",
       "", Kind::kList},
      {"allow-spki",
       "... with this public key (base64 of its SHA-256). Any rule of any kind suffices.", "",
       Kind::kList},
  });
}

std::string NameOf(const std::string& key) {
  for (const Alias& alias : kAliases) {
    if (alias.key == key) return std::string(alias.flag);
  }
  absl::string_view path = key;
  absl::ConsumePrefix(&path, kRoute);
  return absl::StrReplaceAll(path, {{".", "-"}, {"_", "-"}});
}

bool IsFlag(const KeyFacts& key) {
  if (key.has_keys) return false;
  return std::none_of(std::begin(kNoFlags), std::end(kNoFlags), [&key](absl::string_view no) {
    return absl::StartsWith(absl::StrCat(key.path, "."), no) &&
           (absl::EndsWith(no, ".") || key.path.size() == no.size() ||
            absl::StrContains(".[", key.path[no.size()]));
  });
}

// Other keys by their flags: "how long X" -> "How long X (duration, 1ms or more)."
std::string HelpOf(const std::string& name, const KeyFacts& key) {
  const auto own = OwnHelp().find(name);
  if (own != OwnHelp().end()) return std::string(own->second);
  std::string help =
      absl::StrReplaceAll(key.doc, {{"before allow_ip", "before --allow-client-ip"},
                                    {"backend_tls.alpn", "--backend-alpn"},
                                    {"verify_name", "--backend-name"},
                                    {"drain_timeout", "--drain-timeout"},
                                    {"user_timeout", "--tcp-user-timeout"},
                                    {"share of connect", "share of --connect-timeout"}});
  if (!help.empty()) help[0] = absl::ascii_toupper(help[0]);
  if (!key.is_switch) {
    absl::string_view type = key.type;
    absl::ConsumePrefix(&type, "list of ");
    absl::StrAppend(&help, " (", type, ")");
  }
  return absl::StrCat(help, key.is_list ? ". May be repeated." : ".");
}

std::vector<KeyFlag> KeysBelow(const std::vector<absl::string_view>& prefixes) {
  std::vector<KeyFlag> flags;
  for (const absl::string_view prefix : prefixes) {
    for (const KeyFacts& key : ConfigKeyFacts()) {
      const bool below =
          absl::EndsWith(prefix, ".") ? absl::StartsWith(key.path, prefix) : key.path == prefix;
      if (!below || !IsFlag(key)) continue;
      std::string name = NameOf(key.path);
      if (std::any_of(flags.begin(), flags.end(),
                      [&key](const KeyFlag& known) { return known.key == key.path; })) {
        continue;
      }
      const Kind kind = key.is_switch ? Kind::kSwitch : key.is_list ? Kind::kList : Kind::kValue;
      std::string standard = key.is_switch && key.standard == "false" ? "" : key.standard;
      std::string help = HelpOf(name, key);
      flags.push_back(
          {{std::move(name), std::move(help), std::move(standard), kind, key.is_file, key.words},
           key.path});
    }
  }
  return flags;
}

std::vector<KeyFlag> Joined(std::vector<KeyFlag> first, const std::vector<KeyFlag>& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

std::vector<KeyFlagGroup> MakeGroups() {
  std::vector<KeyFlagGroup> groups = {
      {"Service", false,
       Joined(ServiceOnly(),
              KeysBelow({"routes[].unsafe_backend", "routes[].send_proxy_protocol",
                         "routes[].deny_ip", "routes[].allow_ip", "routes[].forwarding_engine"}))},
      {"TLS", false, CertificatesOnly()},
      {"Clients (each --allow may be repeated)", false,
       Joined(KeysBelow({"routes[].tls.client_auth."}), AllowOnly())},
      {"TLS to the backend", false, KeysBelow({"routes[].backend_tls."})},
      {"Load balancing", false,
       KeysBelow({"routes[].balance", "routes[].slow_start", "routes[].health_check.",
                  "routes[].ejection.", "routes[].dns."})},
      {"Timeouts (30s, 5m, 4h; 0 disables where noted)", true,
       KeysBelow({"routes[].timeouts.", "routes[].keep_alive.", "routes[].tcp."})},
      {"Limits", true, KeysBelow({"limits."})},
      {"Shutdown", true, KeysBelow({"shutdown."})},
      {"Operation", true, KeysBelow({"workers", "admin.", "log."})},
  };
  const auto listed = [&groups](const std::string& key) {
    return std::any_of(groups.begin(), groups.end(), [&key](const KeyFlagGroup& group) {
      return std::any_of(group.flags.begin(), group.flags.end(),
                         [&key](const KeyFlag& flag) { return flag.key == key; });
    });
  };
  KeyFlagGroup others = {"Others", false, {}};
  for (const KeyFacts& key : ConfigKeyFacts()) {
    if (!IsFlag(key) || listed(key.path)) continue;
    KeyFlagGroup& group = absl::StartsWith(key.path, "routes[].tls.") ? groups[1] : others;
    for (KeyFlag& flag : KeysBelow({key.path})) group.flags.push_back(std::move(flag));
  }
  if (!others.flags.empty()) groups.push_back(std::move(others));
  return groups;
}

// Without the indices: "routes[0].tls.alpn[1]" -> "routes[].tls.alpn".
std::string KeyOf(absl::string_view path) {
  std::string key;
  bool inside = false;
  for (const char c : path) {
    if (c == ']') inside = false;
    if (!inside) key += c;
    if (c == '[') inside = true;
  }
  while (absl::EndsWith(key, "[]")) key.resize(key.size() - 2);
  return key;
}

}  // namespace

const std::vector<KeyFlagGroup>& KeyFlagGroups() {
  static const auto* const groups = new std::vector<KeyFlagGroup>(MakeGroups());
  return *groups;
}

std::string FlagOfPath(absl::string_view path) {
  static constexpr Alias kOfPaths[] = {
      {"listeners[].name", "listen-name"},
      {"listeners[].proxy_protocol_from", "proxy-from"},
      {"listeners[].proxy_protocol_from_unix", "proxy-from"},
      {"listeners", "listen"},
      {"routes[].backends", "backend"},
      {"routes[].tls.certificates[].key", "key"},
      {"routes[].tls.certificates[].ocsp", "ocsp"},
      {"routes[].tls.certificates", "cert"},
      {"routes[].tls.tickets", "tickets"},
      {"routes[].tls.client_auth.allow", "allow-uri"},
      {"routes[].tls.client_auth", "client-ca"},
      {"routes[].tls.mode", "backend-ca"},
      {"routes[].tls", "cert"},
      {"routes[].backend_tls", "backend-ca"},
  };
  const std::string key = KeyOf(path);
  if (key.empty()) return "";
  for (const KeyFlagGroup& group : KeyFlagGroups()) {
    for (const KeyFlag& flag : group.flags) {
      if (flag.key == key) return flag.flag.name;
    }
  }
  for (const Alias& of : kOfPaths) {
    const bool in = absl::StartsWith(key, of.key) &&
                    (key.size() == of.key.size() || absl::StrContains(".[", key[of.key.size()]));
    if (in) return std::string(of.flag);
  }
  return "";
}

std::string FlagNaming(absl::string_view path, absl::string_view value) {
  if (KeyOf(path) == "routes[].tls.mode") {
    if (value == "passthrough") return "tlsbridge run and a route that passes TLS through";
    return value == "terminate" ? "plaintext backends" : "--backend-ca or --backend-insecure";
  }
  const std::string flag = FlagOfPath(path);
  if (flag.empty()) return absl::StrCat(path, value.empty() ? "" : ": ", value);
  // A switch needs no value.
  if (value.empty() || value == "true") return absl::StrCat("--", flag);
  return absl::StrCat("--", flag, "=", value);
}

}  // namespace tlsbridge
