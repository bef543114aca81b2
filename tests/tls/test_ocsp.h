// OCSP responses of any content, made in memory, with a signature that nobody verifies.
//
// Thread: the test's. Failure: gtest's, where BoringSSL refuses.
#pragma once

#include <string>

#include "absl/time/time.h"
#include "tls/certificates/key_pair.h"

namespace tlsbridge::testing {

// Says that the leaf of `pair` is good, as of an hour before `next_update`.
std::string MakeOcspResponse(const tls::KeyPair& pair, absl::Time next_update);

}  // namespace tlsbridge::testing
