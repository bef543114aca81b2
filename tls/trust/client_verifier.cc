#include "tls/trust/client_verifier.h"

#include <openssl/pool.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "tls/certificates/certificate_uses.h"
#include "tls/context_slot.h"
#include "tls/out_of_memory.h"
#include "tls/trust/peer_signatures.h"

namespace tlsbridge::tls {
namespace {

bssl::UniquePtr<STACK_OF(CRYPTO_BUFFER)> NamesOf(const std::vector<bssl::UniquePtr<X509>>& cas) {
  bssl::UniquePtr<STACK_OF(CRYPTO_BUFFER)> names(Made(sk_CRYPTO_BUFFER_new_null()));
  for (const auto& ca : cas) {
    const uint8_t* der;
    size_t length;
    Done(X509_NAME_get0_der(X509_get_subject_name(ca.get()), &der, &length));
    bssl::UniquePtr<CRYPTO_BUFFER> name(Made(CRYPTO_BUFFER_new(der, length, /*pool=*/nullptr)));
    Done(bssl::PushToStack(names.get(), std::move(name)));
  }
  return names;
}

}  // namespace

std::string PolicyDigest(const ClientPolicy& policy) {
  std::string text = absl::StrCat(static_cast<int>(policy.mode), policy.observe_only ? "o" : "",
                                  "\n", policy.ca_pem);
  for (const std::string& rule : policy.allow) absl::StrAppend(&text, "\n", rule);
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const uint8_t*>(text.data()), text.size(),
         reinterpret_cast<uint8_t*>(digest.data()));
  return digest;
}

ClientVerifier::ClientVerifier(std::unique_ptr<TrustStore> trust, AllowRules rules,
                               const ClientPolicy& policy)
    : trust_(std::move(trust)),
      rules_(std::move(rules)),
      required_(policy.mode == ClientCertificates::kRequired),
      observe_only_(policy.observe_only) {}

ClientVerifier::~ClientVerifier() = default;

absl::StatusOr<std::unique_ptr<ClientVerifier>> ClientVerifier::Create(const ClientPolicy& policy) {
  auto trust = TrustStore::Create(
      {policy.ca_pem, policy.ca_name, policy.crl_pem, policy.crl_name, policy.require_crl});
  if (!trust.ok()) return trust.status();
  auto rules = AllowRules::Parse(policy.allow);
  if (!rules.ok()) return rules.status();
  return std::unique_ptr<ClientVerifier>(
      new ClientVerifier(*std::move(trust), *std::move(rules), policy));
}

absl::Status ClientVerifier::Install(const ClientPolicy& policy, Ask ask, SSL_CTX* ctx) {
  if (policy.mode == ClientCertificates::kOff) return absl::OkStatus();
  auto verifier = Create(policy);
  if (!verifier.ok()) return verifier.status();
  if (absl::Status status = LimitPeerSignatures(ctx); !status.ok()) return status;
  if ((*verifier)->tells_cas()) {
    SSL_CTX_set0_client_CAs(ctx, NamesOf((*verifier)->trust_->cas()).release());
  }
  const bool insist = (*verifier)->required() && !policy.observe_only;
  SSL_CTX_set_custom_verify(ctx, SSL_VERIFY_PEER | (insist ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                            ask);
  SSL_CTX_set_max_cert_list(ctx, kMaxClientChainBytes);
  // A ticket is resumed only under the policy under which it was given.
  const std::string digest = PolicyDigest(policy);
  Done(SSL_CTX_set_session_id_context(ctx, reinterpret_cast<const uint8_t*>(digest.data()),
                                      digest.size()));
  if (ContextSlot<ClientVerifier>::Put(*std::move(verifier), ctx) == nullptr) {
    return absl::ResourceExhaustedError("no memory for the verifier of clients");
  }
  return absl::OkStatus();
}

bool ClientVerifier::tells_cas() const { return trust_->ca_names_bytes() <= kMaxCaNamesBytes; }

const ClientVerifier* ClientVerifier::Of(const SSL* ssl) {
  return ContextSlot<ClientVerifier>::Of(ssl);
}

ClientVerifier::Decision ClientVerifier::Check(const STACK_OF(X509) * chain) const {
  Decision decision;
  if (const X509* leaf = sk_X509_value(chain, 0); leaf != nullptr) {
    decision.identity = IdentityOf(leaf);
  }
  const PeerIdentity& identity = decision.identity;
  decision.name = identity.Display();
  if (identity.uris.size() == 1 && identity.uri_count == 1) decision.uri = identity.uris.front();
  const TrustStore::Problem problem =
      trust_->Verify(chain, TrustStore::Purpose::kClient, /*name=*/nullptr);
  if (problem.why != nullptr) {
    decision.problem = problem.why;
    decision.alert = problem.alert;
    return decision;
  }
  if (rules_.empty()) {
    decision.allowed_by = "any";
    return decision;
  }
  const AllowRules::Match match = rules_.Find(identity);
  if (match.rule.empty()) {
    decision.problem = match.several_uris ? "several_uris" : "not_allowed";
    decision.alert = SSL_AD_ACCESS_DENIED;
    return decision;
  }
  decision.allowed_by = match.rule;
  if (!match.name.empty()) decision.name.assign(match.name.data(), match.name.size());
  if (match.is_uri) decision.uri = decision.name;
  return decision;
}

}  // namespace tlsbridge::tls
