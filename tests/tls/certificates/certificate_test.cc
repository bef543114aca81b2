#include "tls/certificates/certificate.h"

#include <sys/stat.h>

#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/tls/test_certificates.h"
#include "tests/tls/test_ocsp.h"

namespace tlsbridge::tls {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class CertificateTest : public ::testing::Test {
 protected:
  CertificateTest() { WriteCertificate({}); }

  void WriteCertificate(testing::CertificateShape shape) {
    shape.extended_usage = "serverAuth";
    shape.not_before = now_ - absl::Hours(1);
    shape.not_after = now_ + absl::Hours(1);
    const testing::TestCertificate made = testing::MakeCertificate(shape, nullptr);
    Write(paths_.certificate, made.CertificatePem());
    Write(paths_.key, made.KeyPem());
    chmod(paths_.key.c_str(), 0600);
  }
  static void Write(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
  }
  void WriteStaple(absl::Time next_update) {
    paths_.ocsp = folder_ + "/tls.ocsp";
    const auto pair = LoadKeyPair(paths_.certificate, paths_.key, now_);
    ASSERT_TRUE(pair.ok()) << pair.status();
    Write(paths_.ocsp, testing::MakeOcspResponse(*pair, next_update));
  }

  const absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
  const std::string folder_ = ::testing::TempDir();
  CertificatePaths paths_ = {folder_ + "/tls.crt", folder_ + "/tls.key", ""};
};

TEST_F(CertificateTest, LoadsWithAndWithoutAStaple) {
  auto certificate = LoadCertificate(paths_, now_);
  ASSERT_TRUE(certificate.ok()) << certificate.status();
  EXPECT_FALSE(certificate->staple.has_value());
  WriteStaple(now_ + absl::Hours(1));
  certificate = LoadCertificate(paths_, now_);
  ASSERT_TRUE(certificate.ok()) << certificate.status();
  EXPECT_TRUE(certificate->staple.has_value());
  EXPECT_THAT(certificate->pair.warnings, IsEmpty());
}

TEST_F(CertificateTest, WarnsOfAKeyThatAnybodyMayRead) {
  chmod(paths_.key.c_str(), 0644);
  const auto certificate = LoadCertificate(paths_, now_);
  ASSERT_TRUE(certificate.ok()) << certificate.status();
  EXPECT_THAT(certificate->pair.warnings,
              ElementsAre(absl::StrCat(
                  paths_.key, ": private key is world-readable; run: chmod o-r ", paths_.key)));
}

TEST_F(CertificateTest, WarnsOfOneThatClientsRefuseWithoutAStapleWhereThereIsNone) {
  WriteCertificate({.must_staple = true});
  const auto bare = LoadCertificate(paths_, now_);
  ASSERT_TRUE(bare.ok()) << bare.status();
  EXPECT_THAT(bare->pair.warnings,
              ElementsAre(absl::StrCat(paths_.certificate,
                                       ": must-staple certificate (RFC 7633) without an OCSP "
                                       "response: clients will reject it; set ocsp")));
  WriteStaple(now_ + absl::Hours(1));
  const auto stapled = LoadCertificate(paths_, now_);
  ASSERT_TRUE(stapled.ok()) << stapled.status();
  EXPECT_THAT(stapled->pair.warnings, IsEmpty());
}

TEST_F(CertificateTest, AnExpiredStapleIsAWarningAndAWrongOneAnError) {
  WriteStaple(now_);
  const auto expired = LoadCertificate(paths_, now_);
  ASSERT_TRUE(expired.ok()) << expired.status();
  EXPECT_THAT(expired->pair.warnings,
              ElementsAre(absl::StrCat(paths_.ocsp,
                                       ": expired on 2027-01-15 08:00:00 UTC; it is not sent")));
  Write(paths_.ocsp, "hello");
  EXPECT_EQ(std::string(LoadCertificate(paths_, now_).status().message()),
            absl::StrCat(paths_.ocsp, ": is not an OCSP response in DER"));
}

}  // namespace
}  // namespace tlsbridge::tls
