#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"
#include "router/live/renewal/dated_files.h"
#include "router/live/renewal/expiry_watch.h"
#include "tls/certificates/asn1_time.h"
#include "tls/certificates/chain_end.h"
#include "tls/trust/trust_store.h"
#include "tools/tlsbridge/doctor/exams.h"

namespace tlsbridge {
namespace {

constexpr char kArea[] = "certificates";

std::string InWords(absl::string_view kind) {
  if (kind == "ocsp") return "OCSP response";
  if (kind == "client_ca") return "CA of clients";
  if (kind == "crl") return "CRL";
  if (kind == "backend_certificate") return "certificate for backends";
  if (kind == "backend_ca") return "CA of backends";
  return "certificate";
}

std::string DaysOf(absl::Duration left) {
  if (left < absl::Hours(48)) return absl::StrCat(absl::ToInt64Hours(left), " hours");
  return absl::StrCat(absl::ToInt64Hours(left) / 24, " days");
}

// How long it is good for; that one has expired is mostly told as a mistake.
void ExamineDates(const Route& route, const DatedFile& file, absl::Time now, Diagnosis* diagnosis) {
  const std::string what = absl::StrCat(route.name, ": ", InWords(file.kind), " ",
                                        file.name.empty() ? "of the system" : file.name);
  const std::string renew = absl::StrCat(
      "renew it, and check why it was not renewed automatically; the renewal must replace ",
      file.name);
  if (file.until <= now) {
    diagnosis->Warn(kArea, absl::StrCat(what, " expired on ", tls::FormatUtc(file.until)), renew);
  } else if (now >= ExpiryWatch::SoonFor(file)) {
    diagnosis->Warn(kArea,
                    absl::StrCat(what, " expires in ", DaysOf(file.until - now), ", on ",
                                 tls::FormatUtc(file.until)),
                    renew);
  } else if (file.from > now) {
    diagnosis->Warn(kArea,
                    absl::StrCat(what, " is not valid before ", tls::FormatUtc(file.from),
                                 ", which is in the future by this machine's clock"),
                    "timedatectl: is the clock right?");
  } else if (file.until < absl::InfiniteFuture()) {
    diagnosis->Ok(kArea, absl::StrCat(what, " is valid for ", DaysOf(file.until - now)));
  }
}

// Whom it is for, and whether clients can follow it.
void ExamineChain(const Route& route, const tls::Credential& held,
                  absl::Span<const bssl::UniquePtr<X509>> system, Diagnosis* diagnosis) {
  const std::string what = absl::StrCat(route.name, ": certificate ", held.name);
  const tls::ChainEnd end = tls::EndOfChain(held, system);
  if (!end.leaf_has_names || held.server_names.empty()) {
    diagnosis->Warn(
        kArea,
        absl::StrCat(what,
                     " has no server name in subjectAltName, the only place that clients check"),
        "request a certificate with -addext subjectAltName=DNS:NAME");
  } else {
    constexpr size_t kMost = 5;
    const auto shown =
        absl::MakeSpan(held.server_names).subspan(0, std::min(kMost, held.server_names.size()));
    diagnosis->Ok(kArea, absl::StrCat(what, " covers ", absl::StrJoin(shown, ", "),
                                      held.server_names.size() > kMost ? " and others" : ""));
  }
  if (end.self_signed && end.certificates == 1) {
    diagnosis->Ok(kArea,
                  absl::StrCat(what, " is self-signed: clients must trust the certificate itself"));
  } else if (end.certificates == 1 && !end.issuer_is_known && !end.issuer_url.empty()) {
    diagnosis->Warn(
        kArea,
        absl::StrCat(what, " is sent alone, but its issuer ", end.issuer,
                     " is an intermediate CA that clients do not have"),
        absl::StrCat("curl -s ", end.issuer_url, " | openssl x509 -inform der >> ", held.name));
  } else {
    diagnosis->Ok(kArea, absl::StrCat(what, " chains to ", end.issuer,
                                      end.issuer_is_known ? ", which this system trusts"
                                                          : ", which clients must trust"));
  }
}

}  // namespace

void ExamineCertificates(const Patient& patient, Diagnosis* diagnosis) {
  const absl::Time now = patient.clock.Wall();
  const auto system = tls::TrustStore::OfSystem();
  const absl::Span<const bssl::UniquePtr<X509>> cas =
      system.ok() ? absl::MakeConstSpan((*system)->cas())
                  : absl::Span<const bssl::UniquePtr<X509>>();
  for (size_t i = 0; i < patient.files.tls.size(); ++i) {
    LiveRoute route;
    route.settings = std::make_shared<const Route>(patient.parsed.config.routes[i]);
    route.tls = patient.files.tls[i];
    for (const auto& set : route.tls.files.certificates) {
      ExamineChain(*route.settings, *set.content, cas, diagnosis);
    }
    ForEachDatedFile(route, now, [&](const DatedFile& file) {
      ExamineDates(*route.settings, file, now, diagnosis);
    });
  }
}

}  // namespace tlsbridge
