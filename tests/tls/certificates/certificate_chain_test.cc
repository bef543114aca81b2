#include "tls/certificates/certificate_chain.h"

#include <openssl/x509.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/tls/test_certificates.h"
#include "tls/certificates/key_pair.h"

namespace tlsbridge::tls {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::tlsbridge::testing::CertificateShape;
using ::tlsbridge::testing::MakeCertificate;
using ::tlsbridge::testing::TestCertificate;

class CertificateChainTest : public ::testing::Test {
 protected:
  TestCertificate Make(const std::string& name, bool ca, const TestCertificate* issuer,
                       absl::Duration lives_for = absl::Hours(1)) {
    CertificateShape shape;
    shape.common_name = name;
    shape.ca = ca;
    shape.not_before = now_ - absl::Hours(1);
    shape.not_after = now_ + lives_for;
    return MakeCertificate(shape, issuer);
  }
  absl::Status Check(const std::vector<const TestCertificate*>& certificates) {
    std::vector<bssl::UniquePtr<X509>> chain;
    for (const TestCertificate* certificate : certificates) {
      X509_up_ref(certificate->certificate.get());
      chain.emplace_back(certificate->certificate.get());
    }
    return CheckChain(chain, "tls.crt", now_, &warnings_);
  }

  const absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
  const TestCertificate root_ = Make("Root", true, nullptr);
  const TestCertificate middle_ = Make("Middle", true, &root_);
  const TestCertificate leaf_ = Make("leaf", false, &middle_);
  std::vector<std::string> warnings_;
};

TEST_F(CertificateChainTest, ALeafAloneAndAChainInOrderAreFine) {
  EXPECT_TRUE(Check({&leaf_}).ok());
  EXPECT_TRUE(Check({&leaf_, &middle_}).ok());
  EXPECT_TRUE(Check({&leaf_, &middle_, &root_}).ok());
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(CertificateChainTest, WarnsOfAWrongOrderAndSaysTheRightOne) {
  EXPECT_TRUE(Check({&leaf_, &root_, &middle_}).ok());
  EXPECT_THAT(warnings_, ElementsAre("tls.crt: the chain is in the wrong order: certificate 1 "
                                     "(CN=leaf) must be followed by certificate 3 (CN=Middle), its "
                                     "issuer, but certificate 2 (CN=Root) follows it"));
}

TEST_F(CertificateChainTest, WarnsOfACertificateThatDoesNotBelongThere) {
  EXPECT_TRUE(Check({&leaf_, &root_}).ok());
  EXPECT_THAT(warnings_, ElementsAre("tls.crt: certificate 2 (CN=Root) is not the issuer of "
                                     "certificate 1 (CN=leaf); the chain breaks there"));
}

TEST_F(CertificateChainTest, WarnsOfWhatFollowsASelfSignedCertificate) {
  EXPECT_TRUE(Check({&root_, &middle_}).ok());
  EXPECT_THAT(warnings_, ElementsAre("tls.crt: certificate 1 (CN=Root) is self-signed, so nothing "
                                     "may follow it; certificate 2 (CN=Middle) does"));
}

TEST_F(CertificateChainTest, RefusesAnIssuerOfTheRightNameThatDidNotSign) {
  const TestCertificate renewed = Make("Middle", true, &root_);
  EXPECT_EQ(std::string(Check({&leaf_, &renewed, &root_}).message()),
            "tls.crt: certificate 2 (CN=Middle) has the name of the issuer of certificate 1 "
            "(CN=leaf), but its key did not sign it");
}

TEST_F(CertificateChainTest, RefusesAnIssuerThatIsNoCa) {
  const TestCertificate below = Make("below", false, &leaf_);
  EXPECT_EQ(std::string(Check({&below, &leaf_}).message()),
            "tls.crt: certificate 2 (CN=leaf) is the issuer of certificate 1 (CN=below), but not a "
            "CA");
}

TEST_F(CertificateChainTest, WarnsOfAnIssuerThatHasExpired) {
  const TestCertificate expired = Make("Old", true, &root_, -absl::Minutes(1));
  const TestCertificate leaf = Make("leaf", false, &expired);
  EXPECT_TRUE(Check({&leaf, &expired}).ok());
  EXPECT_THAT(warnings_, ElementsAre("tls.crt: certificate 2 (CN=Old) expired on 2027-01-15 "
                                     "07:59:00 UTC"));
}

TEST_F(CertificateChainTest, AKeyPairCarriesTheWarningsOfItsChain) {
  const auto pair = ParseKeyPair(leaf_.CertificatePem() + root_.CertificatePem(), "tls.crt",
                                 leaf_.KeyPem(), "tls.key", now_);
  ASSERT_TRUE(pair.ok()) << pair.status();
  EXPECT_EQ(pair->warnings.size(), 1u);
  EXPECT_EQ(pair->name, "tls.crt");
}

TEST_F(CertificateChainTest, AKeyPairWhoseLeafIsNotFirstSaysWhichIsTheLeaf) {
  const auto pair = ParseKeyPair(middle_.CertificatePem() + leaf_.CertificatePem(), "tls.crt",
                                 leaf_.KeyPem(), "tls.key", now_);
  EXPECT_EQ(std::string(pair.status().message()),
            "tls.crt: certificate 2 is the one that the private key in tls.key belongs to; it must "
            "come first, before its chain");
}

}  // namespace
}  // namespace tlsbridge::tls
