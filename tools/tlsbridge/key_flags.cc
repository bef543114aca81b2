#include "tools/tlsbridge/key_flags.h"

#include <stdlib.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "tools/tlsbridge/flag_table.h"

namespace tlsbridge {
namespace {

// Of one command line; the settings are made in the order of the flags' table.
class Settings {
 public:
  Settings(const GivenFlags& given, std::vector<std::string>* problems)
      : given_(given), problems_(problems) {}

  std::vector<Setting> Make(std::vector<Setting> more) {
    settings_ = std::move(more);
    AddKeys();
    AddListeners();
    AddList("backend", "routes[0].backends[", "].address");
    AddCertificates();
    AddTickets();
    AddClients();
    AddBackendTls();
    return std::move(settings_);
  }

 private:
  void Add(std::string path, std::string value) {
    settings_.push_back({std::move(path), std::move(value)});
  }
  void Wrong(absl::string_view flag, absl::string_view why) {
    problems_->push_back(absl::StrCat("--", flag, why));
  }
  void AddList(absl::string_view flag, absl::string_view before, absl::string_view after) {
    size_t index = 0;
    for (std::string& value : given_.Values(flag)) {
      Add(absl::StrCat(before, index++, after), std::move(value));
    }
  }

  void AddKeys() {
    for (const KeyFlagGroup& group : KeyFlagGroups()) {
      for (const auto& [flag, key] : group.flags) {
        if (key.empty() || !given_.Has(flag.name)) continue;
        const std::string path = absl::StrReplaceAll(key, {{"[]", "[0]"}});
        if (flag.kind == Flag::Kind::kList) {
          AddList(flag.name, path + "[", "]");
        } else if (flag.kind != Flag::Kind::kSwitch || given_.IsOn(flag.name, false)) {
          // A switch that is off, as all are by default, says nothing.
          AddKey(flag.name, path);
        }
      }
    }
  }
  void AddKey(const std::string& flag, const std::string& path) {
    std::string value = given_.Value(flag);
    if (flag == "backend-ca" && value == "system") return;
    Add(path, std::move(value));
  }

  // Each listener gets the peers of its kind; none may be for no listener.
  void AddListeners() {
    const std::vector<std::string> addresses = given_.Values("listen");
    const std::vector<std::string> names = given_.Values("listen-name");
    if (names.size() > addresses.size()) {
      Wrong("listen-name", absl::StrCat(": ", names.size(), " for ", addresses.size(),
                                        " --listen; at most one for each"));
    }
    std::vector<std::string> peers = given_.Values("proxy-from");
    const auto ip_end = std::stable_partition(peers.begin(), peers.end(),
                                              [](const auto& peer) { return peer != "unix"; });
    const bool from_unix = ip_end != peers.end();
    peers.erase(ip_end, peers.end());
    bool any_unix = false;
    bool any_ip = false;
    for (size_t i = 0; i < addresses.size(); ++i) {
      const std::string listener = absl::StrCat("listeners[", i, "].");
      const bool is_unix = absl::StartsWith(addresses[i], "unix:");
      (is_unix ? any_unix : any_ip) = true;
      Add(listener + "address", addresses[i]);
      if (i < names.size()) Add(listener + "name", names[i]);
      if (is_unix && from_unix) Add(listener + "proxy_protocol_from_unix", "true");
      for (size_t j = 0; !is_unix && j < peers.size(); ++j) {
        Add(absl::StrCat(listener, "proxy_protocol_from[", j, "]"), peers[j]);
      }
    }
    if (addresses.empty()) return;
    if (from_unix && !any_unix)
      Wrong("proxy-from",
            ": unix, but no --listen is a UNIX socket; add --listen unix:/PATH, or name "
            "peers by address, such as 10.0.0.0/8");
    if (!peers.empty() && !any_ip) {
      Wrong("proxy-from", ": peers on a UNIX socket have no IP address; use --proxy-from unix");
    }
  }

  void AddCertificates() {
    const size_t certs = given_.Values("cert").size();
    const size_t keys = given_.Values("key").size();
    const size_t staples = given_.Values("ocsp").size();
    if (certs > 0 && keys > 0 && keys != certs) {
      Wrong("key",
            absl::StrCat(": ", keys, " for ", certs, " --cert; give one for each certificate"));
    }
    if (staples > certs) Wrong("ocsp", absl::StrCat(": ", staples, " for ", certs, " of --cert"));
    // What is missing is told.
    if (certs != keys || staples > certs) return;
    constexpr char kCertificates[] = "routes[0].tls.certificates[";
    AddList("cert", kCertificates, "].cert");
    AddList("key", kCertificates, "].key");
    AddList("ocsp", kCertificates, "].ocsp");
  }

  void AddTickets() {
    if (!given_.Has("tickets")) return;
    const std::string value = given_.Value("tickets");
    constexpr char kMode[] = "routes[0].tls.tickets.mode";
    for (const char* mode : {"file", "shared"}) {
      absl::string_view path = value;
      if (!absl::ConsumePrefix(&path, absl::StrCat(mode, ":")) || path.empty()) continue;
      Add(kMode, mode);
      return Add("routes[0].tls.tickets.file", std::string(path));
    }
    if (value == "auto" || value == "off") return Add(kMode, value);
    Wrong("tickets",
          absl::StrCat(": '", value, "' is not allowed; use auto, file:PATH, shared:PATH or off"));
  }

  void AddClients() {
    size_t rules = 0;
    for (const char* kind : {"cn", "ou", "dns", "ip", "uri", "spki"}) {
      for (const std::string& pattern : given_.Values(absl::StrCat("allow-", kind))) {
        Add(absl::StrCat("routes[0].tls.client_auth.allow[", rules++, "]"),
            absl::StrCat(kind, ":", pattern));
      }
    }
    const bool asked = rules > 0 || given_.Has("client-ca") || given_.Has("client-crl") ||
                       given_.IsOn("observe-only", false);
    if (asked && !given_.Has("client-cert")) Add("routes[0].tls.client_auth.mode", "required");
  }

  void AddBackendTls() {
    if (given_.Has("backend-ca") || given_.IsOn("backend-insecure", false)) {
      Add("routes[0].tls.mode", "terminate-and-reencrypt");
    }
    // With CAs of a file it contradicts as the key does.
    if (given_.Value("backend-ca") == "system" && given_.IsOn("backend-insecure", false)) {
      Wrong("backend-ca", " contradicts --backend-insecure, which verifies nothing");
    }
  }

  const GivenFlags& given_;
  std::vector<std::string>* const problems_;  // Not owned.
  std::vector<Setting> settings_;
};

std::vector<FlagGroup> Groups(bool all) {
  std::vector<FlagGroup> groups;
  for (const KeyFlagGroup& group : KeyFlagGroups()) {
    if (!all && !group.of_operation) continue;
    FlagGroup& shown = groups.emplace_back();
    shown.title = group.title;
    for (const KeyFlag& flag : group.flags) shown.flags.push_back(flag.flag);
  }
  return groups;
}

std::optional<std::string> EnvironmentVariable(absl::string_view name) {
  const char* value = getenv(std::string(name).c_str());
  if (value == nullptr) return std::nullopt;
  return value;
}

}  // namespace

std::vector<FlagGroup> ServiceFlagGroups() { return Groups(/*all=*/true); }
std::vector<FlagGroup> OperationFlagGroups() { return Groups(/*all=*/false); }

std::string FlagConfig::TextOf(const Problem& problem) const {
  absl::string_view path = problem.path;
  const bool given = parsed.positions.Given(path);
  const auto number = static_cast<size_t>(problem.line);
  if (given && number >= 1 && number <= settings.size()) path = settings[number - 1].path;
  std::string flag = FlagOfPath(path);
  constexpr absl::string_view kRules = "routes[0].tls.client_auth.allow[";
  if (given && absl::StartsWith(path, kRules)) {
    const std::string& rule = settings[number - 1].value;
    flag = absl::StrCat("allow-", rule.substr(0, rule.find(':')));
  }
  if (flag.empty()) return problem.message;
  const bool is_sentence = absl::StartsWith(problem.message, "is ") ||
                           absl::StartsWith(problem.message, "needs ") ||
                           absl::StartsWith(problem.message, "contradicts ");
  return absl::StrCat("--", flag, is_sentence ? " " : ": ", problem.message);
}

FlagConfig ConfigOf(const GivenFlags& given, std::vector<Setting> more) {
  FlagConfig config;
  config.settings = Settings(given, &config.problems).Make(std::move(more));
  config.parsed = ParseSettings(config.settings, EnvironmentVariable, FlagNaming);
  for (const Problem& problem : config.parsed.problems) {
    const bool of_command = problem.path == "listeners" || problem.path == "routes[0].backends" ||
                            problem.path == "routes[0].tls.certificates";
    if (of_command && !config.parsed.positions.Given(problem.path)) continue;
    config.problems.push_back(config.TextOf(problem));
  }
  return config;
}

}  // namespace tlsbridge
