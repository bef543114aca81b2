#include "tls/certificates/certificate_chain.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "absl/strings/str_cat.h"
#include "tls/certificates/asn1_time.h"
#include "tls/certificates/distinguished_name.h"

namespace tlsbridge::tls {
namespace {

// "certificate 2 (CN=Some CA,O=Somebody)"
std::string Describe(const std::vector<bssl::UniquePtr<X509>>& chain, size_t i) {
  const std::string subject = DistinguishedName(X509_get_subject_name(chain[i].get()));
  return subject.empty() ? absl::StrCat("certificate ", i + 1)
                         : absl::StrCat("certificate ", i + 1, " (", subject, ")");
}

bool NamesAsIssuer(X509* certificate, X509* issuer) {
  return SameName(X509_get_issuer_name(certificate), X509_get_subject_name(issuer));
}

bool Signed(X509* issuer, X509* certificate) {
  bssl::UniquePtr<EVP_PKEY> key(X509_get_pubkey(issuer));
  return key != nullptr && X509_verify(certificate, key.get()) == 1;
}

// Why chain[i + 1] cannot be the issuer of chain[i].
std::string WhyOutOfPlace(const std::vector<bssl::UniquePtr<X509>>& chain, size_t i) {
  X509* certificate = chain[i].get();
  if (NamesAsIssuer(certificate, certificate)) {
    return absl::StrCat(Describe(chain, i), " is self-signed, so nothing may follow it; ",
                        Describe(chain, i + 1), " does");
  }
  for (size_t j = 0; j < chain.size(); ++j) {
    if (j == i || !NamesAsIssuer(certificate, chain[j].get())) continue;
    return absl::StrCat("the chain is in the wrong order: ", Describe(chain, i),
                        " must be followed by ", Describe(chain, j), ", its issuer, but ",
                        Describe(chain, i + 1), " follows it");
  }
  return absl::StrCat(Describe(chain, i + 1), " is not the issuer of ", Describe(chain, i),
                      "; the chain breaks there");
}

}  // namespace

absl::Status CheckChain(const std::vector<bssl::UniquePtr<X509>>& chain, absl::string_view name,
                        absl::Time now, std::vector<std::string>* warnings) {
  const auto refuse = [name](absl::string_view what) {
    ERR_clear_error();
    return absl::InvalidArgumentError(absl::StrCat(name, ": ", what));
  };
  for (size_t i = 0; i + 1 < chain.size(); ++i) {
    X509* issuer = chain[i + 1].get();
    if (!NamesAsIssuer(chain[i].get(), issuer)) {
      warnings->push_back(absl::StrCat(name, ": ", WhyOutOfPlace(chain, i)));
      return absl::OkStatus();
    }
    if (!Signed(issuer, chain[i].get())) {
      return refuse(absl::StrCat(Describe(chain, i + 1), " has the name of the issuer of ",
                                 Describe(chain, i), ", but its key did not sign it"));
    }
    if (X509_check_ca(issuer) == 0) {
      return refuse(absl::StrCat(Describe(chain, i + 1), " is the issuer of ", Describe(chain, i),
                                 ", but not a CA"));
    }
    if (const absl::Time until = ToTime(X509_get0_notAfter(issuer)); now > until) {
      warnings->push_back(
          absl::StrCat(name, ": ", Describe(chain, i + 1), " expired on ", FormatUtc(until)));
    }
  }
  ERR_clear_error();
  return absl::OkStatus();
}

}  // namespace tlsbridge::tls
