// A certificate authority that lives only in memory, for trying the program out.
//
// Thread: any. Failure: a Status when BoringSSL cannot make a key (no entropy, no memory).
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tls/certificates/key_pair.h"

namespace tlsbridge::tls {

struct DevelopmentIdentity {
  std::string ca_pem;  // the CA's certificate, for the client to trust; its key is gone already
  KeyPair localhost;   // for localhost, 127.0.0.1 and ::1, valid for a week from `now`
};

absl::StatusOr<DevelopmentIdentity> MakeDevelopmentIdentity(absl::Time now);

}  // namespace tlsbridge::tls
