#include "tls/trust/client_explanation.h"

#include <openssl/x509.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tls/out_of_memory.h"
#include "tls/trust/trust_store.h"

namespace tlsbridge::tls {
namespace {

void AppendNames(absl::string_view label, const std::vector<std::string>& names,
                 std::string* text) {
  if (!names.empty()) absl::StrAppend(text, "  ", label, ": ", absl::StrJoin(names, ", "), "\n");
}

}  // namespace

// A sentence for each problem of the closed list.
absl::string_view ClientExplanation::Description() const {
  static constexpr struct {
    absl::string_view problem;
    absl::string_view meaning;
  } kMeanings[] = {
      {"expired", "it, or a CA above it, has expired"},
      {"not_yet_valid", "it, or a CA above it, is not valid yet"},
      {"revoked", "its CA has revoked it"},
      {"wrong_purpose", "its extended key usage does not include client authentication"},
      {"chain_too_long", "too many CAs are between it and a trusted one"},
      {"untrusted", "no chain leads from it to a trusted CA"},
      {"crl_expired", "the CRL of its CA has expired"},
      {"crl_invalid", "the CRL of its CA cannot be used"},
      {"crl_missing", "its CA has no CRL, and the policy requires one"},
      {"weak_signature", "it, or a CA above it, is signed with SHA-1, MD5 or another weak digest"},
      {"weak_key", "its key, or that of a CA above it, is an RSA key of less than 2048 bits"},
      {"unsupported_key",
       "its key, or that of a CA above it, is neither RSA nor ECDSA with P-256, P-384 or P-521 nor "
       "Ed25519"},
      {"not_allowed", "it is trusted, but no rule allows it"},
      {"several_uris",
       "a rule matches one of its URIs, but a SPIFFE ID must be the only one (X.509-SVID section "
       "2)"},
  };
  if (problem.empty()) return "";
  for (const auto& entry : kMeanings) {
    if (entry.problem == problem) return entry.meaning;
  }
  return "it is malformed or breaks a constraint of its CA";
}

std::string ClientExplanation::ToText() const {
  std::string text = "certificate:\n";
  if (!identity.common_name.empty()) AppendNames("cn", {identity.common_name}, &text);
  AppendNames("ou", identity.organizational_units, &text);
  AppendNames("dns", identity.dns_names, &text);
  AppendNames("ip", identity.ip_addresses, &text);
  AppendNames("uri", identity.uris, &text);
  AppendNames("spki", {identity.spki_sha256}, &text);
  if (!rules.empty()) text += "rules:\n";
  for (const AllowRules::Outcome& outcome : rules) {
    absl::StrAppend(&text, outcome.matches ? "  matches  " : "  no match ", outcome.rule, "\n");
  }
  if (problem.empty()) {
    absl::StrAppend(&text, "allowed by ",
                    rules.empty() ? "its CA alone (there are no allow rules)" : allowed_by, "\n");
  } else {
    absl::StrAppend(&text, let_in ? "would be refused (observe-only): " : "refused: ", problem,
                    ": ", Description(), "\n");
  }
  return text;
}

absl::StatusOr<ClientExplanation> ExplainClient(const ClientPolicy& policy,
                                                absl::string_view certificate_pem,
                                                absl::string_view certificate_name) {
  auto verifier = ClientVerifier::Create(policy);
  if (!verifier.ok()) return verifier.status();
  auto chain = ParseCertificates(certificate_pem, certificate_name);
  if (!chain.ok()) return chain.status();
  bssl::UniquePtr<STACK_OF(X509)> stack(Made(sk_X509_new_null()));
  for (const auto& certificate : *chain)
    Done(bssl::PushToStack(stack.get(), bssl::UpRef(certificate)));

  ClientExplanation explanation;
  const ClientVerifier::Decision decision = (*verifier)->Check(stack.get());
  explanation.identity = decision.identity;
  explanation.problem = decision.problem == nullptr ? "" : decision.problem;
  explanation.let_in = explanation.problem.empty() || policy.observe_only;
  explanation.allowed_by.assign(decision.allowed_by.data(), decision.allowed_by.size());
  explanation.rules = (*verifier)->rules().Explain(explanation.identity);
  return explanation;
}

}  // namespace tlsbridge::tls
