// Times of certificates and of what is said about them, as absl::Time.
//
// Thread: any. Failure: a time that cannot be read is the infinite past, so that what has it has
// expired.
#pragma once

#include <openssl/base.h>

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace tlsbridge::tls {

absl::Time ToTime(const ASN1_TIME* asn1);

// Now, by the clock that BoringSSL judges certificates by.
absl::Time CertificateClock();

// The contents of a DER GeneralizedTime: "20260102030405Z" and nothing else (RFC 5280 section
// 4.1.2.5.2).
absl::Time ParseGeneralizedTime(absl::string_view text);

// "2026-01-02 03:04:05 UTC", for messages.
std::string FormatUtc(absl::Time time);

}  // namespace tlsbridge::tls
