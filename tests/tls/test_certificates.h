// Certificates of any shape, made in memory.
//
// Thread: the test's. Failure: gtest's, where BoringSSL refuses.
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <string>
#include <vector>

#include "absl/time/time.h"

namespace tlsbridge::testing {

struct TestCertificate {
  bssl::UniquePtr<X509> certificate;
  bssl::UniquePtr<EVP_PKEY> key;

  // A CRL of this CA that revokes `revoked`; the times are from now, by the real clock.
  std::string CrlPem(const std::vector<const TestCertificate*>& revoked,
                     absl::Duration next_update = absl::Hours(1),
                     absl::Duration last_update = absl::Hours(-1),
                     absl::Time now = absl::InfinitePast()) const;  // by the real clock

  std::string CertificatePem() const;
  std::string KeyPem() const;
};

struct CertificateShape {
  std::string common_name = "test";
  std::string organizational_unit;
  std::string alternative_names;  // as OpenSSL's configuration has them: "DNS:a,URI:spiffe://b"
  std::string extended_usage = "clientAuth";
  bool ca = false;
  bool rsa = false;  // of 2048 bits; else ECDSA P-256
  absl::Duration lives_for = absl::Hours(1);
  absl::Time not_before = absl::InfinitePast();   // an hour ago by the real clock
  absl::Time not_after = absl::InfiniteFuture();  // after lives_for
  int curve = 0;                                  // another one than P-256, by its NID
  int rsa_bits = 2048;
  bool ed25519 = false;
  std::string key_usage;                // empty: that of a CA for one, none for others
  bool must_staple = false;             // RFC 7633
  std::string basic_constraints;        // instead of what `ca` says; "none" for none
  const EVP_MD* digest = EVP_sha256();  // that it is signed with
};

// Signed by `issuer`, or by itself if that is null.
TestCertificate MakeCertificate(const CertificateShape& shape, const TestCertificate* issuer);

}  // namespace tlsbridge::testing
