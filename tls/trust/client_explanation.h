// What a policy would make of a client's certificate, and why: for people who ask before a client
// does, or after it was refused.
//
// Thread: any. Failure: a Status for a policy or certificate that cannot be read, naming it.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tls/certificates/peer_identity.h"
#include "tls/trust/allow_rules.h"
#include "tls/trust/client_verifier.h"

namespace tlsbridge::tls {

struct ClientExplanation {
  PeerIdentity identity;
  bool let_in = false;     // also in observe-only mode, where all are
  std::string problem;     // of the list at Failure::why; empty: the policy lets it in
  std::string allowed_by;  // the first rule that matches; "any" where there are none
  std::vector<AllowRules::Outcome> rules;  // matched or not whether the chain is trusted or not

  // What `problem` means, in words; empty for none.
  absl::string_view Description() const;

  // As lines of text, each with its newline.
  std::string ToText() const;
};

// `certificate_pem` is the client's certificate, then those of CAs between it and the policy's, as
// the client would send them. Validity is judged now. REQUIRES: policy.mode is not kOff.
absl::StatusOr<ClientExplanation> ExplainClient(const ClientPolicy& policy,
                                                absl::string_view certificate_pem,
                                                absl::string_view certificate_name);

}  // namespace tlsbridge::tls
