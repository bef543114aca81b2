#include "tls/trust/trust_store.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tls/certificates/asn1_time.h"
#include "tls/certificates/distinguished_name.h"
#include "tls/certificates/pem_file.h"
#include "tls/certificates/strength.h"
#include "tls/out_of_memory.h"

namespace tlsbridge::tls {
namespace {

bool IsSelfIssued(const X509* certificate) {
  return SameName(X509_get_subject_name(certificate), X509_get_issuer_name(certificate));
}

absl::StatusOr<std::vector<bssl::UniquePtr<X509>>> ParseCas(const TrustOptions& options) {
  auto cas = ParseCaFile(options);
  if (!cas.ok()) return cas;
  for (size_t i = 0; i < cas->size(); ++i) {
    X509* const ca = (*cas)[i].get();
    if (X509_check_ca(ca) != 0 || IsSelfIssued(ca)) continue;
    ERR_clear_error();
    return absl::InvalidArgumentError(
        absl::StrCat(options.ca_name, ": certificate ", i + 1, " in it is not that of a CA"));
  }
  ERR_clear_error();  // of extensions that cannot be read
  return cas;
}

// A CRL that names one of `cas` as its issuer must be signed by one of that name. One of another CA
// may be of one below them, which peers send.
bool SignedByItsIssuer(X509_CRL* crl, const std::vector<bssl::UniquePtr<X509>>& cas) {
  bool known = false;
  for (const auto& ca : cas) {
    if (!SameName(X509_get_subject_name(ca.get()), X509_CRL_get_issuer(crl))) continue;
    known = true;
    bssl::UniquePtr<EVP_PKEY> key(X509_get_pubkey(ca.get()));
    if (key != nullptr && X509_CRL_verify(crl, key.get()) == 1) return true;
  }
  ERR_clear_error();
  return !known;
}

absl::StatusOr<std::vector<bssl::UniquePtr<X509_CRL>>> ParseSignedCrls(
    const TrustOptions& options, const std::vector<bssl::UniquePtr<X509>>& cas) {
  auto crls = ParseCrls(options.crl_pem, options.crl_name);
  if (!crls.ok()) return crls;
  for (size_t i = 0; i < crls->size(); ++i) {
    if (SignedByItsIssuer((*crls)[i].get(), cas)) continue;
    return absl::InvalidArgumentError(absl::StrCat(options.crl_name, ": CRL ", i + 1,
                                                   " in it is not signed by the CA that it names"));
  }
  return crls;
}

TrustStore::Problem ProblemOf(int error) {
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return {"expired", SSL_AD_CERTIFICATE_EXPIRED};
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return {"not_yet_valid", SSL_AD_BAD_CERTIFICATE};
    case X509_V_ERR_CERT_REVOKED:
      return {"revoked", SSL_AD_CERTIFICATE_REVOKED};
    case X509_V_ERR_CRL_HAS_EXPIRED:
      // Not certificate_expired: there is nothing wrong with the peer's.
      return {"crl_expired", SSL_AD_CERTIFICATE_UNKNOWN};
    case X509_V_ERR_UNABLE_TO_GET_CRL:
      return {"crl_missing", SSL_AD_CERTIFICATE_UNKNOWN};
    case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
    case X509_V_ERR_KEYUSAGE_NO_CRL_SIGN:
    case X509_V_ERR_DIFFERENT_CRL_SCOPE:
    case X509_V_ERR_CRL_PATH_VALIDATION_ERROR:
    case X509_V_ERR_CRL_SIGNATURE_FAILURE:
    case X509_V_ERR_CRL_NOT_YET_VALID:
    case X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION:
      return {"crl_invalid", SSL_AD_CERTIFICATE_UNKNOWN};
    case X509_V_ERR_INVALID_PURPOSE:
      return {"wrong_purpose", SSL_AD_UNSUPPORTED_CERTIFICATE};
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return {"wrong_name", SSL_AD_BAD_CERTIFICATE};
    case X509_V_ERR_UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY:
      return {"unsupported_key", SSL_AD_UNSUPPORTED_CERTIFICATE};
    case X509_V_ERR_CERT_CHAIN_TOO_LONG:
      return {"chain_too_long", SSL_AD_UNKNOWN_CA};
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
    case X509_V_ERR_INVALID_CA:
      return {"untrusted", SSL_AD_UNKNOWN_CA};
    default:
      return {"invalid", SSL_AD_BAD_CERTIFICATE};
  }
}

// Whether each is signed by the next. BoringSSL asks last: before that it says of a certificate
// that anybody may have made that it is revoked, or of another name or purpose.
bool IsForged(const STACK_OF(X509) * chain) {
  for (size_t i = 0; i + 1 < sk_X509_num(chain); ++i) {
    X509* const certificate = sk_X509_value(chain, i);
    const bssl::UniquePtr<EVP_PKEY> key(X509_get_pubkey(sk_X509_value(chain, i + 1)));
    if (key == nullptr || !HasStrongSignature(certificate))
      return false;  // has a reason of its own
    if (X509_verify(certificate, key.get()) != 1) return true;
  }
  return false;
}

bool SetName(X509_VERIFY_PARAM* param, const TrustStore::Name& name) {
  if (!name.ip.empty()) {
    return X509_VERIFY_PARAM_set1_ip(param, reinterpret_cast<const uint8_t*>(name.ip.data()),
                                     name.ip.size()) == 1;
  }
  // Common names are no names of hosts any more (RFC 6125 section 6.4.4, RFC 9525 section 2).
  X509_VERIFY_PARAM_set_hostflags(
      param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return X509_VERIFY_PARAM_set1_host(param, name.dns.data(), name.dns.size()) == 1;
}

}  // namespace

absl::StatusOr<std::vector<bssl::UniquePtr<X509>>> ParseCaFile(const TrustOptions& options) {
  const bool one_file = !options.crl_pem.empty() && options.crl_pem == options.ca_pem;
  return ParseCertificates(options.ca_pem, options.ca_name,
                           one_file ? CrlsBeside::kReadByAnother : CrlsBeside::kRefused);
}

TrustStore::TrustStore() : store_(Made(X509_STORE_new())) {}
TrustStore::~TrustStore() = default;

absl::StatusOr<std::unique_ptr<TrustStore>> TrustStore::Create(const TrustOptions& options) {
  std::unique_ptr<TrustStore> made(new TrustStore);
  auto cas = ParseCas(options);
  if (!cas.ok()) return cas.status();
  made->cas_ = *std::move(cas);
  for (const auto& ca : made->cas_) Done(X509_STORE_add_cert(made->store_.get(), ca.get()));
  made->require_crl_ = options.require_crl;
  if (options.crl_pem.empty()) return made;
  auto crls = ParseSignedCrls(options, made->cas_);
  if (!crls.ok()) return crls.status();
  made->crls_ = *std::move(crls);
  for (const auto& crl : made->crls_) {
    X509_STORE_add_crl(made->store_.get(), crl.get());
    const ASN1_TIME* next_update = X509_CRL_get0_nextUpdate(crl.get());
    if (next_update == nullptr) continue;
    made->crls_until_ = std::min(made->crls_until_, ToTime(next_update));
  }
  return made;
}

absl::StatusOr<std::unique_ptr<TrustStore>> TrustStore::OfSystem() {
  if (const std::string path = SystemBundle(); !path.empty()) {
    auto pem = ReadPemFile(path);
    if (!pem.ok()) return pem.status();
    TrustOptions options;
    options.ca_pem = *std::move(pem);
    options.ca_name = path;
    return Create(options);
  }
  return absl::NotFoundError(absl::StrCat("no CA bundle on this system; looked for ",
                                          absl::StrJoin(kSystemBundles, ", ")));
}

std::string TrustStore::SystemBundle() {
  const auto* const found = std::find_if(std::begin(kSystemBundles), std::end(kSystemBundles),
                                         [](const char* path) { return access(path, R_OK) == 0; });
  return found == std::end(kSystemBundles) ? "" : *found;
}

bool TrustStore::HasCrlOf(const X509* certificate) const {
  return std::any_of(crls_.begin(), crls_.end(), [certificate](const auto& crl) {
    return SameName(X509_CRL_get_issuer(crl.get()), X509_get_issuer_name(certificate));
  });
}

size_t TrustStore::ca_names_bytes() const {
  constexpr size_t kLengthBytes = 2;  // of each (RFC 8446 section 4.2.4)
  size_t bytes = 0;
  for (const auto& ca : cas_) {
    const int length = i2d_X509_NAME(X509_get_subject_name(ca.get()), nullptr);
    bytes += kLengthBytes + static_cast<size_t>(std::max(length, 0));
  }
  return bytes;
}

int TrustStore::OnProblem(int ok, X509_STORE_CTX* context) {
  if (ok == 1) return ok;
  const int error = X509_STORE_CTX_get_error(context);
  const auto* self = static_cast<const TrustStore*>(X509_STORE_CTX_get_app_data(context));
  X509* const certificate = X509_STORE_CTX_get_current_cert(context);
  const auto at = static_cast<size_t>(X509_STORE_CTX_get_error_depth(context));
  // An anchor that is not its own issuer: of the CA above it nothing is known, nor asked.
  const bool of_anchor = at + 1 == sk_X509_num(X509_STORE_CTX_get0_chain(context)) && at > 0 &&
                         !IsSelfIssued(sk_X509_value(X509_STORE_CTX_get0_chain(context), at));
  const bool is_of_crl = absl::StartsWith(ProblemOf(error).why, "crl_");
  // A CRL that is there, but that BoringSSL cannot use, is not the same as none.
  const bool has_none =
      error == X509_V_ERR_UNABLE_TO_GET_CRL && !self->require_crl_ && !self->HasCrlOf(certificate);
  if (!has_none && !(of_anchor && is_of_crl)) return 0;
  X509_STORE_CTX_set_error(context, X509_V_OK);
  return 1;
}

// What BoringSSL does not ask. `chain` is the one that it found, the anchor last.
TrustStore::Problem TrustStore::EvaluateChain(const STACK_OF(X509) * chain, Purpose purpose) const {
  Problem judged;
  judged.until = crls_until_;
  const size_t count = sk_X509_num(chain);
  long cas_below = 0;  // that count for a path length (RFC 5280 section 4.2.1.9)
  for (size_t i = 0; i < count; ++i) {
    X509* const certificate = sk_X509_value(chain, i);
    const bool is_anchor = i + 1 == count;
    switch (KeyStrengthOf(certificate)) {
      case KeyStrength::kTooSmall:
        return {"weak_key", SSL_AD_BAD_CERTIFICATE};
      case KeyStrength::kOfOtherKind:
        return {"unsupported_key", SSL_AD_UNSUPPORTED_CERTIFICATE};
      case KeyStrength::kGood:
        break;
    }
    if (!is_anchor && !HasStrongSignature(certificate)) {
      return {"weak_signature", SSL_AD_BAD_CERTIFICATE};
    }
    if (i > 0) {
      if (X509_check_ca(certificate) == 0) return {"untrusted", SSL_AD_UNKNOWN_CA};
      const long most = X509_get_pathlen(certificate);
      if (most >= 0 && cas_below > most) return {"invalid", SSL_AD_BAD_CERTIFICATE};
      if (!IsSelfIssued(certificate)) ++cas_below;
    }
    judged.until = std::min(judged.until, ToTime(X509_get0_notAfter(certificate)));
  }
  // BoringSSL asks this of untrusted ones only, not of one that is its own anchor.
  X509* const leaf = sk_X509_value(chain, 0);
  const int wanted =
      purpose == Purpose::kClient ? X509_PURPOSE_SSL_CLIENT : X509_PURPOSE_SSL_SERVER;
  if (X509_check_purpose(leaf, wanted, /*ca=*/0) != 1) {
    return {"wrong_purpose", SSL_AD_UNSUPPORTED_CERTIFICATE};
  }
  if ((X509_get_extension_flags(leaf) & EXFLAG_CRITICAL) != 0) {
    return {"invalid", SSL_AD_BAD_CERTIFICATE};
  }
  return judged;
}

TrustStore::Problem TrustStore::Verify(const STACK_OF(X509) * chain, Purpose purpose,
                                       const Name* name) const {
  if (chain == nullptr || sk_X509_num(chain) == 0) return {"invalid", SSL_AD_BAD_CERTIFICATE};
  bssl::UniquePtr<X509_STORE_CTX> context(Made(X509_STORE_CTX_new()));
  const char* profile = purpose == Purpose::kClient ? "ssl_client" : "ssl_server";
  if (X509_STORE_CTX_init(context.get(), store_.get(), sk_X509_value(chain, 0),
                          const_cast<STACK_OF(X509)*>(chain)) != 1 ||
      X509_STORE_CTX_set_default(context.get(), profile) != 1) {
    return {"invalid", SSL_AD_INTERNAL_ERROR};
  }
  X509_VERIFY_PARAM* param = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_depth(param, kMaxIntermediates);
  if (name != nullptr && !SetName(param, *name)) return {"invalid", SSL_AD_INTERNAL_ERROR};
  X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST);
  if (require_crl_ || !crls_.empty()) {
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    X509_STORE_CTX_set_app_data(context.get(), const_cast<TrustStore*>(this));
    X509_STORE_CTX_set_verify_cb(context.get(), &OnProblem);
  }
  const bool trusted = X509_verify_cert(context.get()) == 1;
  const int error = X509_STORE_CTX_get_error(context.get());
  Problem problem;
  if (trusted) {
    problem = EvaluateChain(X509_STORE_CTX_get0_chain(context.get()), purpose);
  } else if (const X509* at = X509_STORE_CTX_get_current_cert(context.get());
             error == X509_V_ERR_CERT_SIGNATURE_FAILURE && at != nullptr &&
             !HasStrongSignature(at)) {
    problem = {"weak_signature", SSL_AD_BAD_CERTIFICATE};  // of a kind that is no longer verified
  } else if (IsForged(X509_STORE_CTX_get0_chain(context.get()))) {
    problem = ProblemOf(X509_V_ERR_CERT_SIGNATURE_FAILURE);
  } else {
    problem = ProblemOf(error);
  }
  ERR_clear_error();
  return problem;
}

}  // namespace tlsbridge::tls
