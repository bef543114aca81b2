#include "router/live/renewal/dated_files.h"

#include <vector>

#include "tls/trust/trust_files.h"

namespace tlsbridge {
namespace {

using Period = tls::TrustFacts::Period;

Period FirstToEnd(const std::vector<Period>& periods) {
  Period first = periods.front();
  for (const Period& period : periods) {
    if (period.until < first.until) first = period;
  }
  return first;
}

Period OfCas(const std::vector<Period>& cas, absl::Time now) {
  std::vector<Period> good;
  Period last = cas.front();
  for (const Period& ca : cas) {
    if (ca.until > now) good.push_back(ca);
    if (ca.until > last.until) last = ca;
  }
  return good.empty() ? last : FirstToEnd(good);
}

}  // namespace

void ForEachDatedFile(const LiveRoute& route, absl::Time now,
                      absl::FunctionRef<void(const DatedFile&)> visit) {
  const RouteFiles& files = route.tls.files;
  for (const auto& set : files.certificates) {
    const tls::Credential& held = *set.content;
    visit({"certificate", held.name, held.not_before, held.not_after, set.problem});
    if (held.staple.has_value()) {
      visit({"ocsp", set.paths.back(), held.staple->this_update, held.staple->next_update,
             set.problem});
    }
  }
  if (files.clients.content != nullptr) {
    const ClientFiles& held = *files.clients.content;
    if (const auto& cas = held.trust.cas; !cas.empty()) {
      const Period period = OfCas(cas, now);
      visit({"client_ca", held.policy.ca_name, period.from, period.until, files.clients.problem});
    }
    if (const auto& crls = held.trust.crls; !crls.empty()) {
      const Period period = FirstToEnd(crls);
      visit({"crl", held.policy.crl_name, period.from, period.until, files.clients.problem});
    }
  }
  if (files.backend.content == nullptr) return;
  const BackendCredentials& held = *files.backend.content;
  if (!held.certificate.chain.empty()) {
    const tls::Validity validity = tls::ValidityOf(held.certificate);
    visit({"backend_certificate", held.certificate.name, validity.not_before, validity.not_after,
           files.backend.problem});
  }
  if (!held.trust.cas.empty()) {
    const Period period = OfCas(held.trust.cas, now);
    visit({"backend_ca", route.settings->backend_tls.ca, period.from, period.until,
           files.backend.problem});
  }
}

}  // namespace tlsbridge
