#include "tls/client_verifier.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "tls/peer_identity.h"
#include "tls/session.h"

namespace tlsbridge::tls {
namespace {

// A leaf, a root and four between them; each costs a signature check.
constexpr int kMaxDepth = 5;
// All certificates of a client together.
constexpr size_t kMaxCertificateBytes = 32 * 1024;

int VerifierIndex() {
  static const int index = SSL_CTX_get_ex_new_index(
      0, nullptr, nullptr, nullptr, [](void*, void* verifier, CRYPTO_EX_DATA*, int, long, void*) {
        delete static_cast<ClientVerifier*>(verifier);
      });
  return index;
}

absl::StatusOr<std::vector<bssl::UniquePtr<X509>>> ParseCas(const ClientPolicy& policy) {
  std::vector<bssl::UniquePtr<X509>> cas;
  bssl::UniquePtr<BIO> bio(
      BIO_new_mem_buf(policy.ca_pem.data(), static_cast<int>(policy.ca_pem.size())));
  while (bssl::UniquePtr<X509> ca{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
    if (X509_check_ca(ca.get()) == 0) {
      ERR_clear_error();
      return absl::InvalidArgumentError(absl::StrCat(policy.ca_name, ": certificate ",
                                                     cas.size() + 1, " in it is not that of a CA"));
    }
    cas.push_back(std::move(ca));
  }
  const uint32_t error = ERR_peek_last_error();
  const bool at_end =
      ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (!at_end) {
    return absl::InvalidArgumentError(
        absl::StrCat(policy.ca_name, ": certificate ", cas.size() + 1, " in it cannot be parsed"));
  }
  if (cas.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(policy.ca_name, ": holds no PEM certificate (no BEGIN CERTIFICATE line)"));
  }
  return cas;
}

// A ticket is resumed only under the policy under which it was given.
void BindTickets(const ClientPolicy& policy, SSL_CTX* ctx) {
  std::string text = absl::StrCat(static_cast<int>(policy.mode), "\n", policy.ca_pem);
  for (const std::string& rule : policy.allow) absl::StrAppend(&text, "\n", rule);
  uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const uint8_t*>(text.data()), text.size(), digest);
  SSL_CTX_set_session_id_context(ctx, digest, sizeof(digest));
}

ClientVerifier::Decision Refusal(int error) {
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return {"expired", SSL_AD_CERTIFICATE_EXPIRED};
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return {"not_yet_valid", SSL_AD_BAD_CERTIFICATE};
    case X509_V_ERR_CERT_REVOKED:
      return {"revoked", SSL_AD_CERTIFICATE_REVOKED};
    case X509_V_ERR_INVALID_PURPOSE:
      return {"wrong_purpose", SSL_AD_UNSUPPORTED_CERTIFICATE};
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

}  // namespace

ClientVerifier::ClientVerifier(bssl::UniquePtr<X509_STORE> store, AllowRules rules)
    : store_(std::move(store)), rules_(std::move(rules)) {}

ClientVerifier::~ClientVerifier() = default;

absl::Status ClientVerifier::Install(const ClientPolicy& policy, SSL_CTX* ctx) {
  if (policy.mode == ClientCertificates::kOff) return absl::OkStatus();
  auto cas = ParseCas(policy);
  if (!cas.ok()) return cas.status();
  auto rules = AllowRules::Parse(policy.allow);
  if (!rules.ok()) return rules.status();

  bssl::UniquePtr<X509_STORE> store(X509_STORE_new());
  for (const auto& ca : *cas) {
    X509_STORE_add_cert(store.get(), ca.get());
    SSL_CTX_add_client_CA(ctx, ca.get());
  }
  SSL_CTX_set_ex_data(ctx, VerifierIndex(),
                      new ClientVerifier(std::move(store), *std::move(rules)));
  const bool required = policy.mode == ClientCertificates::kRequired;
  SSL_CTX_set_custom_verify(
      ctx, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
      [](SSL* ssl, uint8_t* alert) { return Session::VerifyClient(ssl, alert); });
  SSL_CTX_set_max_cert_list(ctx, kMaxCertificateBytes);
  BindTickets(policy, ctx);
  return absl::OkStatus();
}

const ClientVerifier* ClientVerifier::Of(const SSL* ssl) {
  return static_cast<const ClientVerifier*>(
      SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), VerifierIndex()));
}

ClientVerifier::Decision ClientVerifier::Check(const SSL* ssl) const {
  STACK_OF(X509)* chain = SSL_get_peer_full_cert_chain(ssl);
  if (chain == nullptr || sk_X509_num(chain) == 0) {
    return {"invalid", SSL_AD_BAD_CERTIFICATE};
  }
  X509* leaf = sk_X509_value(chain, 0);
  bssl::UniquePtr<X509_STORE_CTX> context(X509_STORE_CTX_new());
  if (X509_STORE_CTX_init(context.get(), store_.get(), leaf, chain) != 1 ||
      X509_STORE_CTX_set_default(context.get(), "ssl_client") != 1) {
    return {"invalid", SSL_AD_INTERNAL_ERROR};
  }
  X509_VERIFY_PARAM_set_depth(X509_STORE_CTX_get0_param(context.get()), kMaxDepth);
  const bool trusted = X509_verify_cert(context.get()) == 1;
  ERR_clear_error();
  if (!trusted) return Refusal(X509_STORE_CTX_get_error(context.get()));
  if (AllowedBy(IdentityOf(leaf)).empty()) return {"not_allowed", SSL_AD_ACCESS_DENIED};
  return {};
}

absl::string_view ClientVerifier::AllowedBy(const PeerIdentity& identity) const {
  return rules_.empty() ? "any" : rules_.Match(identity);
}

}  // namespace tlsbridge::tls
