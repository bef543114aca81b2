#include "tools/tlsbridge/explain.h"

#include <stdio.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "router/live/route_tls.h"
#include "tls/certificates/pem_file.h"
#include "tls/trust/client_explanation.h"
#include "tools/tlsbridge/command_line.h"
#include "tools/tlsbridge/config_file.h"
#include "tools/tlsbridge/serve.h"

namespace tlsbridge {
namespace {

constexpr char kUsage[] =
    "Tells whether a client with a certificate would be let in, by which rule, or why not.\n"
    "Exits with 0 if it would, with 1 if not.\n"
    "\n"
    "  tlsbridge explain --config tlsbridge.yaml --route orders --peer client.pem\n";

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
      name.empty() ? absl::StrCat("--route is missing; there are ", names)
                   : absl::StrCat("--route: there is no route '", name, "'; there are ", names));
}

absl::StatusOr<tls::ClientExplanation> Explain(const Config& config, const GivenFlags& given) {
  auto route = RouteOf(config, given.Value("route"));
  if (!route.ok()) return route.status();
  auto policy = LoadClientPolicy((*route)->tls.client);
  if (!policy.ok()) return policy.status();
  if (policy->mode == tls::ClientCertificates::kOff) {
    return absl::InvalidArgumentError(
        absl::StrCat("route ", (*route)->name, " asks its clients for no certificate"));
  }
  const std::string path = given.Value("peer");
  auto pem = tls::ReadPemFile(path);
  if (!pem.ok()) return pem.status();
  return tls::ExplainClient(*policy, *pem, path);
}

}  // namespace

int RunExplain(absl::Span<char* const> arguments) {
  const std::vector<FlagGroup> groups = {
      {"Explain",
       {{"config", "The configuration file, in YAML."},
        {"route", "The route that the client would come to; needless if there is one."},
        {"peer",
         "PEM file with the client's certificate, and then those of CAs that it would send."}}}};
  if (AsksForHelp(arguments)) {
    printf("%s%s", kUsage, DescribeFlags(groups).c_str());
    return kExitOk;
  }
  const absl::StatusOr<GivenFlags> given = ParseFlags(arguments, groups);
  if (!given.ok()) return RefuseToStart(given.status());
  for (const char* flag : {"config", "peer"}) {
    if (given->Has(flag)) continue;
    return RefuseToStart(absl::InvalidArgumentError(absl::StrCat("--", flag, " is missing")));
  }
  const ParsedConfig parsed = ReadConfigFile(given->Value("config"));
  for (const Problem& problem : parsed.problems) {
    fprintf(stderr, "%s\n", problem.ToString().c_str());
  }
  if (!parsed.problems.empty()) return kExitUsage;
  const auto explanation = Explain(parsed.config, *given);
  if (!explanation.ok()) return RefuseToStart(explanation.status());
  fputs(explanation->ToText().c_str(), stdout);
  return explanation->let_in ? kExitOk : kExitRefused;
}

}  // namespace tlsbridge
