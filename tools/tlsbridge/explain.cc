#include "tools/tlsbridge/explain.h"

#include <stdio.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "router/live/route_tls.h"
#include "tls/certificates/pem_file.h"
#include "tls/trust/client_explanation.h"
#include "tools/tlsbridge/admin_command.h"
#include "tools/tlsbridge/command_line.h"
#include "tools/tlsbridge/config_file.h"
#include "tools/tlsbridge/key_flags.h"
#include "tools/tlsbridge/serve.h"
#include "tools/tlsbridge/sidecar_flags.h"

namespace tlsbridge {
namespace {

constexpr char kUsage[] =
    "Shows whether a client with a certificate would be accepted, by which rule, or why not.\n"
    "Exits with 0 if it would, with 1 if not.\n"
    "\n"
    "  tlsbridge explain --config tlsbridge.yaml --route orders --peer client.pem\n"
    "  tlsbridge explain --client-ca ca.crt --allow-uri 'spiffe://prod/*' --peer client.pem\n"
    "\n"
    "Without --config, it takes the flags of tlsbridge sidecar.\n";

constexpr int kExitRefused = 1;

// Without a name, the only one there is, or that asks its clients for certificates.
absl::StatusOr<const Route*> RouteOf(const Config& config, const std::string& name) {
  if (name.empty() && config.routes.size() == 1) return &config.routes.front();
  std::vector<const Route*> fitting;
  for (const Route& route : config.routes) {
    const bool asks = route.tls.client.mode != ClientCertificateMode::kOff;
    if (name.empty() ? asks : route.name == name) fitting.push_back(&route);
  }
  if (fitting.size() == 1) return fitting.front();
  const std::string names = absl::StrJoin(
      config.routes, ", ", [](std::string* out, const Route& route) { out->append(route.name); });
  return absl::InvalidArgumentError(
      name.empty() ? absl::StrCat("--route is missing; the routes are ", names)
                   : absl::StrCat("--route: unknown route '", name, "'; the routes are ", names));
}

absl::StatusOr<tls::ClientExplanation> Explain(const Config& config, const GivenFlags& given) {
  auto route = RouteOf(config, given.Value("route"));
  if (!route.ok()) return route.status();
  auto policy = LoadClientPolicy((*route)->tls.client);
  if (!policy.ok()) return policy.status();
  if (policy->mode == tls::ClientCertificates::kOff) {
    return absl::InvalidArgumentError(
        absl::StrCat("route ", (*route)->name, " does not ask clients for a certificate"));
  }
  const std::string path = given.Value("peer");
  auto pem = tls::ReadPemFile(path);
  if (!pem.ok()) return pem.status();
  return tls::ExplainClient(*policy, *pem, path);
}

// The same as the text, for programs; what there is none of is null or empty.
nlohmann::ordered_json ToJson(const tls::ClientExplanation& explanation) {
  using Json = nlohmann::ordered_json;
  const auto text = [](absl::string_view value) {
    return value.empty() ? Json() : Json(std::string(value));
  };
  Json rules = Json::array();
  for (const auto& outcome : explanation.rules) {
    rules.push_back({{"rule", outcome.rule}, {"matches", outcome.matches}});
  }
  const tls::PeerIdentity& identity = explanation.identity;
  return {{"let_in", explanation.let_in},
          {"allowed_by", text(explanation.allowed_by)},
          {"problem", text(explanation.problem)},
          {"meaning", text(explanation.Description())},
          {"certificate",
           {{"cn", text(identity.common_name)},
            {"ou", identity.organizational_units},
            {"dns", identity.dns_names},
            {"ip", identity.ip_addresses},
            {"uri", identity.uris},
            {"spki", text(identity.spki_sha256)}}},
          {"rules", std::move(rules)}};
}

// Of the file, or of the sidecar's flags; null once it has told what is wrong with them.
std::optional<Config> ReadConfig(const GivenFlags& given) {
  if (!given.Has("config")) {
    const FlagConfig flags = ConfigOf(given, {{"routes[0].name", "sidecar"}});
    for (const std::string& problem : flags.problems) {
      RefuseToStart(absl::InvalidArgumentError(problem));
    }
    if (!flags.problems.empty()) return std::nullopt;
    return flags.parsed.config;
  }
  for (const FlagGroup& group : SidecarFlagGroups()) {
    for (const Flag& flag : group.flags) {
      if (!given.Has(flag.name)) continue;
      RefuseToStart(absl::InvalidArgumentError(absl::StrCat(
          "--", flag.name, " cannot be combined with --config; use one or the other")));
      return std::nullopt;
    }
  }
  const ParsedConfig parsed = ReadConfigFile(given.Value("config"));
  for (const Problem& problem : parsed.problems) {
    fprintf(stderr, "%s\n", problem.ToString().c_str());
  }
  if (!parsed.problems.empty()) return std::nullopt;
  return parsed.config;
}

int Run(const Command::Given& typed) {
  const GivenFlags& given = typed.flags;
  if (!given.Has("peer")) {
    return RefuseToStart(absl::InvalidArgumentError("--peer is missing"));
  }
  if (!given.Has("config") && !given.Has("client-ca")) {
    return RefuseToStart(absl::InvalidArgumentError(
        "explain needs --config FILE, or --client-ca and other flags of tlsbridge sidecar"));
  }
  const std::optional<Config> config = ReadConfig(given);
  if (!config.has_value()) return kExitUsage;
  const auto explanation = Explain(*config, given);
  if (!explanation.ok()) return RefuseToStart(explanation.status());
  if (given.IsOn("json", false)) {
    PrintJson(ToJson(*explanation));
  } else {
    fputs(explanation->ToText().c_str(), stdout);
  }
  return explanation->let_in ? kExitOk : kExitRefused;
}

}  // namespace

Command ExplainCommand() {
  std::vector<FlagGroup> groups = {
      {"Explain",
       {ConfigFlag(),
        {"route", "Route that the client would use; optional if there is only one."},
        {"peer",
         "PEM file with the client's certificate, followed by the CA certificates that it would "
         "send.",
         "", Flag::Kind::kValue,
         /*is_file=*/true},
        {"json", "Print JSON.", "", Flag::Kind::kSwitch}}}};
  for (FlagGroup& group : SidecarFlagGroups()) groups.push_back(std::move(group));
  return {"explain",
          "shows whether a client's certificate would be accepted, and why",
          "",
          kUsage,
          std::move(groups),
          &Run};
}

}  // namespace tlsbridge
