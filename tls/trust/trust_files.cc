#include "tls/trust/trust_files.h"

#include <openssl/nid.h>
#include <openssl/obj.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tls/certificates/asn1_time.h"
#include "tls/certificates/distinguished_name.h"
#include "tls/certificates/strength.h"

namespace tlsbridge::tls {
namespace {

using Cas = std::vector<bssl::UniquePtr<X509>>;
using Crls = std::vector<bssl::UniquePtr<X509_CRL>>;

constexpr uint32_t kCrlSign = 0x0002;  // cRLSign of a KeyUsage, as X509_get_key_usage() has it

bool SameCa(const X509_CRL* a, const X509_CRL* b) {
  return SameName(X509_CRL_get_issuer(a), X509_CRL_get_issuer(b));
}

bool IsOf(const X509_CRL* crl, const X509* ca) {
  return SameName(X509_get_subject_name(ca), X509_CRL_get_issuer(crl));
}

TrustFacts::Period PeriodOf(const X509_CRL* crl) {
  const ASN1_TIME* next_update = X509_CRL_get0_nextUpdate(crl);
  return {ToTime(X509_CRL_get0_lastUpdate(crl)),
          next_update == nullptr ? absl::InfiniteFuture() : ToTime(next_update)};
}

// Whether `expired` is no worse than what `served` has of its CA.
bool IsNoLoss(const X509_CRL* expired, const Crls& served, absl::Time now) {
  bool any = false;
  for (const auto& crl : served) {
    if (!SameCa(crl.get(), expired)) continue;
    any = true;
    const TrustFacts::Period period = PeriodOf(crl.get());
    if (period.until >= now || period.from > PeriodOf(expired).from) return false;
  }
  return any;
}

// Why no certificate could be verified with `crl`, though it parses; empty if one could.
std::string WhyUnusable(const X509_CRL* crl, const Cas& cas) {
  for (const auto& ca : cas) {
    if (IsOf(crl, ca.get()) && (X509_get_key_usage(ca.get()) & kCrlSign) == 0) {
      return "is of a CA whose key usage does not let it sign CRLs";
    }
  }
  if (X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) >= 0) {
    return "is a delta CRL, which is not supported; give the complete one";
  }
  const int critical = X509_CRL_get_ext_by_critical(crl, /*crit=*/1, -1);
  if (critical >= 0 && OBJ_obj2nid(X509_EXTENSION_get_object(X509_CRL_get_ext(crl, critical))) !=
                           NID_issuing_distribution_point) {
    return "has a critical extension that is not supported";
  }
  return "";
}

absl::Status ReadCrlFacts(const TrustOptions& options, const Cas& cas, const Crls& crls,
                          const Crls& served, absl::Time now, TrustFacts* facts) {
  std::vector<std::pair<const X509_CRL*, TrustFacts::Period>> longest;  // of each issuer
  for (size_t i = 0; i < crls.size(); ++i) {
    const X509_CRL* crl = crls[i].get();
    const auto refuse = [&options, i](absl::string_view why) {
      return absl::InvalidArgumentError(
          absl::StrCat(options.crl_name, ": CRL ", i + 1, " in it ", why));
    };
    if (const std::string why = WhyUnusable(crl, cas); !why.empty()) return refuse(why);
    const TrustFacts::Period period = PeriodOf(crl);
    if (period.from > now) return refuse("is not valid yet (its lastUpdate is in the future)");
    if (period.until < now && !IsNoLoss(crl, served, now)) {
      return refuse("has expired (its nextUpdate has passed); fetch a new one from its CA");
    }
    const auto same = std::find_if(longest.begin(), longest.end(),
                                   [crl](const auto& other) { return SameCa(other.first, crl); });
    if (same == longest.end()) {
      longest.emplace_back(crl, period);
    } else if (period.until > same->second.until) {
      same->second = period;
    }
  }
  for (const auto& [crl, period] : longest) facts->crls.push_back(period);
  return absl::OkStatus();
}

// A CRL and a CA that do not belong together leave certificates that were revoked in force.
void WarnOfStrangers(const TrustOptions& options, const Cas& cas, const Crls& crls,
                     std::vector<std::string>* warnings) {
  for (size_t i = 0; i < crls.size(); ++i) {
    const X509_CRL* crl = crls[i].get();
    if (std::any_of(cas.begin(), cas.end(), [crl](const auto& ca) { return IsOf(crl, ca.get()); }))
      continue;
    warnings->push_back(absl::StrCat(
        options.crl_name, ": CRL ", i + 1, " in it is of '",
        DistinguishedName(X509_CRL_get_issuer(crl)), "', none of the CAs in ", options.ca_name,
        ": it revokes nothing, unless clients send the certificate of a CA of that name"));
  }
  size_t without = 0;
  const X509* first = nullptr;
  for (const auto& ca : cas) {
    if (std::any_of(crls.begin(), crls.end(),
                    [&ca](const auto& crl) { return IsOf(crl.get(), ca.get()); }))
      continue;
    if (without++ == 0) first = ca.get();
  }
  if (without == 0) return;
  warnings->push_back(absl::StrCat(options.crl_name, ": has no CRL of ", without, " of the ",
                                   cas.size(), " CAs in ", options.ca_name, ", such as '",
                                   DistinguishedName(X509_get_subject_name(first)),
                                   "': none of its certificates is revoked"));
}

}  // namespace

absl::StatusOr<TrustFacts> ReadTrustFacts(const TrustOptions& options, absl::Time now,
                                          const TrustOptions* served) {
  const auto cas = ParseCaFile(options);
  if (!cas.ok()) return cas.status();
  TrustFacts facts;
  for (const auto& ca : *cas) {
    const absl::Time until = ToTime(X509_get0_notAfter(ca.get()));
    facts.cas.push_back({ToTime(X509_get0_notBefore(ca.get())), until});
    const std::string name = DistinguishedName(X509_get_subject_name(ca.get()));
    if (const std::string weakness = WeaknessOf(ca.get(), /*is_anchor=*/true); !weakness.empty()) {
      facts.warnings.push_back(absl::StrCat(options.ca_name, ": the CA '", name, "' in it ",
                                            weakness,
                                            ": every certificate issued by it is rejected"));
    }
    if (until >= now) continue;
    facts.warnings.push_back(absl::StrCat(options.ca_name, ": the CA '", name,
                                          "' in it has expired, on ", FormatUtc(until),
                                          ": certificates issued by it are rejected"));
  }
  if (options.crl_pem.empty()) return facts;
  const auto crls = ParseCrls(options.crl_pem, options.crl_name);
  if (!crls.ok()) return crls.status();
  Crls before;
  if (served != nullptr && !served->crl_pem.empty()) {
    auto parsed = ParseCrls(served->crl_pem, served->crl_name);
    if (parsed.ok()) before = *std::move(parsed);
  }
  if (absl::Status status = ReadCrlFacts(options, *cas, *crls, before, now, &facts); !status.ok()) {
    return status;
  }
  WarnOfStrangers(options, *cas, *crls, &facts.warnings);
  return facts;
}

absl::Status CheckCrlsKept(const TrustOptions& served, const TrustOptions& renewed) {
  if (served.crl_pem.empty() || renewed.crl_pem.empty()) return absl::OkStatus();
  const auto before = ParseCrls(served.crl_pem, served.crl_name);
  const auto crls = ParseCrls(renewed.crl_pem, renewed.crl_name);
  const auto cas = ParseCaFile(renewed);
  absl::Status status = crls.status();
  status.Update(before.status());
  status.Update(cas.status());
  if (!status.ok()) return status;
  for (const auto& old : *before) {
    const absl::Time was = ToTime(X509_CRL_get0_lastUpdate(old.get()));
    bool found = false;
    for (const auto& crl : *crls) {
      if (!SameCa(crl.get(), old.get())) continue;
      found = true;
      const absl::Time updated = ToTime(X509_CRL_get0_lastUpdate(crl.get()));
      if (updated >= was) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          renewed.crl_name, ": is older than the CRL that is served: of ", FormatUtc(updated),
          ", not ", FormatUtc(was), "; restart to use it all the same"));
    }
    const bool still_trusted = std::any_of(
        cas->begin(), cas->end(), [&old](const auto& ca) { return IsOf(old.get(), ca.get()); });
    if (!found && still_trusted) {
      return absl::InvalidArgumentError(
          absl::StrCat(renewed.crl_name,
                       ": lacks the CRL of a CA that is still trusted, whose revocations are "
                       "served; restart to use it all the same"));
    }
  }
  return absl::OkStatus();
}

}  // namespace tlsbridge::tls
