// CAs and revocation lists from files: refused with a reason that names the file, or a store that
// verifies, and says the same when it is asked again. The input stands for both files.

#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdint.h>
#include <string.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "tests/fuzz/fuzz_check.h"
#include "tls/trust/trust_store.h"

namespace {

using ::tlsbridge::tls::TrustOptions;
using ::tlsbridge::tls::TrustStore;

// Each verification costs signature checks.
constexpr size_t kMostVerified = 4;

bool IsKnown(const char* why) {
  constexpr const char* kWhys[] = {
      "expired",     "not_yet_valid",  "revoked",        "crl_expired", "crl_missing",
      "crl_invalid", "wrong_purpose",  "chain_too_long", "untrusted",   "invalid",
      "weak_key",    "weak_signature", "unsupported_key"};
  return std::any_of(std::begin(kWhys), std::end(kWhys),
                     [why](const char* known) { return strcmp(why, known) == 0; });
}

void Verify(const TrustStore& store, X509* certificate) {
  bssl::UniquePtr<STACK_OF(X509)> chain(sk_X509_new_null());
  FUZZ_CHECK(bssl::PushToStack(chain.get(), bssl::UpRef(certificate)));
  for (const auto purpose : {TrustStore::Purpose::kClient, TrustStore::Purpose::kServer}) {
    const TrustStore::Problem first = store.Verify(chain.get(), purpose, nullptr);
    const TrustStore::Problem again = store.Verify(chain.get(), purpose, nullptr);
    FUZZ_CHECK((first.why == nullptr) == (first.alert == 0));
    FUZZ_CHECK((first.why == nullptr) == (again.why == nullptr));
    if (first.why == nullptr) continue;
    FUZZ_CHECK(IsKnown(first.why));
    FUZZ_CHECK(strcmp(first.why, again.why) == 0);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string pem(reinterpret_cast<const char*>(data), size);
  for (const bool require_crl : {false, true}) {
    const TrustOptions options = {.ca_pem = pem,
                                  .ca_name = "the CAs",
                                  .crl_pem = pem,
                                  .crl_name = "the CRLs",
                                  .require_crl = require_crl};
    const auto store = TrustStore::Create(options);
    FUZZ_CHECK(ERR_peek_error() == 0);
    if (!store.ok()) {
      FUZZ_CHECK(absl::StartsWith(store.status().message(), "the C"));
      return 0;
    }
    FUZZ_CHECK(!(*store)->cas().empty());
    const size_t count = std::min((*store)->cas().size(), kMostVerified);
    for (size_t i = 0; i < count; ++i) Verify(**store, (*store)->cas()[i].get());
  }
  return 0;
}
