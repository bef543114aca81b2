#include "tls/trust_files.h"

#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/tls/test_certificates.h"

namespace tlsbridge::tls {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::tlsbridge::testing::MakeCertificate;
using ::tlsbridge::testing::TestCertificate;

class TrustFilesTest : public ::testing::Test {
 protected:
  TrustOptions Options(const std::string& crl_pem = "") const {
    return {root_.CertificatePem(), "ca.crt", crl_pem, "ca.crl"};
  }
  std::string Error(const std::string& crl_pem, absl::Time at) const {
    return std::string(ReadTrustFacts(Options(crl_pem), at).status().message());
  }

  const absl::Time now_ = absl::Now();
  const TestCertificate root_ = MakeCertificate({.common_name = "root", .ca = true}, nullptr);
  const TestCertificate other_ = MakeCertificate({.common_name = "other", .ca = true}, nullptr);
};

TEST_F(TrustFilesTest, ACrlMustBeInForceWhenItIsRead) {
  const std::string good = root_.CrlPem({});
  EXPECT_EQ(Error(good, now_), "");
  EXPECT_EQ(Error(good, now_ + absl::Hours(2)),
            "ca.crl: CRL 1 in it has expired (its nextUpdate has passed)");
  EXPECT_EQ(Error(good, now_ - absl::Hours(2)),
            "ca.crl: CRL 1 in it is not valid yet (its lastUpdate is in the future)");
  EXPECT_EQ(Error(good + root_.CrlPem({}, absl::Seconds(-60)), now_),
            "ca.crl: CRL 2 in it has expired (its nextUpdate has passed)");
}

TEST_F(TrustFilesTest, WhatHasExpiredCanStillBeUsedWhereItIsInForceAlready) {
  EXPECT_TRUE(TrustStore::Create(Options(root_.CrlPem({}, absl::Seconds(-60)))).ok());
}

TEST_F(TrustFilesTest, TellsUntilWhenCasAndCrlsAreGood) {
  TrustOptions options = Options(root_.CrlPem({}, absl::Hours(5)));
  options.ca_pem += other_.CertificatePem();
  const auto facts = ReadTrustFacts(options, now_);
  ASSERT_TRUE(facts.ok()) << facts.status();
  ASSERT_THAT(facts->cas, SizeIs(2));
  EXPECT_GT(facts->cas[1].until, now_);
  EXPECT_LT(facts->cas[1].from, now_);
  ASSERT_THAT(facts->crls, SizeIs(1));
  EXPECT_LT(facts->crls[0].until - now_, absl::Hours(5) + absl::Seconds(2));
  EXPECT_GT(facts->crls[0].until - now_, absl::Hours(5) - absl::Minutes(5));
}

TEST_F(TrustFilesTest, ACrlOfAnotherCaIsOdd) {
  const auto facts = ReadTrustFacts(Options(root_.CrlPem({}) + other_.CrlPem({})), now_);
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_THAT(facts->warnings,
              ElementsAre(AllOf(HasSubstr("ca.crl: CRL 2 in it is of 'CN=other', none of the CAs"),
                                HasSubstr("in ca.crt: it revokes nothing"))));
}

TEST_F(TrustFilesTest, ACaWithoutACrlIsOddWhereOthersHaveOne) {
  TrustOptions options = Options(root_.CrlPem({}));
  options.ca_pem += other_.CertificatePem();
  const auto facts = ReadTrustFacts(options, now_);
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_THAT(facts->warnings,
              ElementsAre(HasSubstr("ca.crl: has no CRL of 1 of the 2 CAs in ca.crt, such as "
                                    "'CN=other'")));
  EXPECT_THAT(ReadTrustFacts(Options(root_.CrlPem({})), now_)->warnings, IsEmpty());
  EXPECT_THAT(ReadTrustFacts(Options(), now_)->warnings, IsEmpty());
}

TEST_F(TrustFilesTest, WhatWasRevokedStaysSo) {
  const TrustOptions served = Options(root_.CrlPem({}));
  const auto problem = [&served](const TrustOptions& renewed) {
    return std::string(CheckCrlsKept(served, renewed).message());
  };
  EXPECT_EQ(problem(served), "");
  EXPECT_EQ(problem(Options(root_.CrlPem({}, absl::Hours(2), absl::Minutes(-1)))), "");
  EXPECT_THAT(problem(Options(root_.CrlPem({}, absl::Hours(2), absl::Hours(-2)))),
              HasSubstr("ca.crl: is older than the CRL that is served"));
  EXPECT_THAT(problem(Options(other_.CrlPem({}))),
              HasSubstr("ca.crl: lacks the CRL of a CA that is still trusted"));
  TrustOptions without_root = Options(other_.CrlPem({}));
  without_root.ca_pem = other_.CertificatePem();
  EXPECT_EQ(problem(without_root), "");
}

}  // namespace
}  // namespace tlsbridge::tls
