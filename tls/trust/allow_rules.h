// Which verified client certificates are let in. Any rule that matches suffices; with no rule at
// all, every certificate that the CA vouches for is let in.
//
// Thread: any; immutable once parsed. Failure: Parse() returns a Status that quotes the rule.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "tls/certificates/peer_identity.h"

namespace tlsbridge::tls {

class AllowRules {
 public:
  enum class Kind {
    kCommonName,          // "cn:orders": equal
    kOrganizationalUnit,  // "ou:payments": one of them equal
    kDns,                 // "dns:orders.internal", or "dns:*.internal" for one label
    kIp,                  // "ip:10.0.0.7", "ip:::1"
    kUri,  // "uri:spiffe://prod/ns/*/sa/api": * stands for one or more characters but no slash, and
           // a last /** for everything below
    kSpki,  // "spki:BASE64": the SHA-256 of the public key
  };

  // One rule as text, "kind:pattern".
  static absl::StatusOr<AllowRules> Parse(absl::Span<const std::string> rules);

  // Who is let in, and by what. Views into the rules and the identity.
  struct Match {
    absl::string_view rule;     // its text; empty: none lets it in
    absl::string_view name;     // what of the certificate it matched; empty where that is no name
    bool is_uri = false;        // whether `name` is one
    bool several_uris = false;  // without a rule: one that is for a SPIFFE ID matches one of them
  };
  // The first rule that lets `identity` in. One for a SPIFFE ID does so only if the certificate has
  // no other URI: it must not speak for two (X.509-SVID section 2). REQUIRES: !empty().
  Match Find(const PeerIdentity& identity) const;
  bool empty() const { return rules_.empty(); }

  // Every rule and whether it matches, for people.
  struct Outcome {
    std::string rule;
    bool matches = false;
  };
  std::vector<Outcome> Explain(const PeerIdentity& identity) const;

 private:
  struct Rule {
    Kind kind;
    std::string pattern;
    std::string text;
  };

  // What of `identity` the rule matches; null for nothing.
  static const std::string* Matched(const Rule& rule, const PeerIdentity& identity);

  static bool IsForSpiffeId(const Rule& rule);

  std::vector<Rule> rules_;
};

// Exposed for its tests: whether `uri` matches `pattern` as Kind::kUri says. Takes time in
// proportion to the product of their lengths at most, whatever a client puts into its certificate.
bool UriMatches(absl::string_view pattern, absl::string_view uri);

}  // namespace tlsbridge::tls
