// What files of CAs and CRLs say of themselves when they are read: until when they are good, and
// what is odd about them. How peers are judged by them is trust_store.h's.
//
// Apart from trust_store.h, because time passes: a CRL that was in force when it was read may have
// expired when the same is needed again.
//
// Thread: any. Failure: a Status that names the file.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tls/trust/trust_store.h"

namespace tlsbridge::tls {

struct TrustFacts {
  struct Period {
    absl::Time from;
    absl::Time until;  // the infinite future for a CRL whose CA promises no other
  };
  std::vector<Period> cas;
  std::vector<Period> crls;           // of each issuer the one that lasts longest
  std::vector<std::string> warnings;  // each names its file
};

// Refuses a CRL that is not in force at `now`, unless `served` (null for none) has none of that CA
// either that is in force, and none newer: one CA whose CRLs have stopped coming shall not keep
// those of another from being used.
absl::StatusOr<TrustFacts> ReadTrustFacts(const TrustOptions& options, absl::Time now,
                                          const TrustOptions* served = nullptr);

// Refuses the CRLs of `renewed` where one is older than that of the same CA in `served`, or lacks
// though the CA is still trusted: what has been revoked must stay so.
absl::Status CheckCrlsKept(const TrustOptions& served, const TrustOptions& renewed);

}  // namespace tlsbridge::tls
