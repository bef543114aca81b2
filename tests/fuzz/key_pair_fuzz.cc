// Certificates and keys from files: refused with a reason, or a pair that belongs together. The
// input stands for one file that holds both.

#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdint.h>

#include "absl/strings/match.h"
#include "tests/fuzz/fuzz_check.h"
#include "tls/certificates/key_pair.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view pem(reinterpret_cast<const char*>(data), size);
  // Within the validity of the seeds.
  const absl::Time now = absl::FromUnixSeconds(1800000000);
  const auto pair = tlsbridge::tls::ParseKeyPair(pem, "the certificate", pem, "the key", now);
  FUZZ_CHECK(ERR_peek_error() == 0);
  if (!pair.ok()) {
    FUZZ_CHECK(absl::StrContains(pair.status().message(), "the "));
    return 0;
  }
  FUZZ_CHECK(!pair->chain.empty());
  FUZZ_CHECK(X509_check_private_key(pair->chain.front().get(), pair->key.get()) == 1);
  return 0;
}
