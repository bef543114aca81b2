#include "tls/trust/trust_files.h"

#include <openssl/bio.h>
#include <openssl/obj.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <string>
#include <vector>

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

  static TestCertificate Ca(const std::string& name) {
    return MakeCertificate({.common_name = name,
                            .ca = true,
                            .not_before = kNow - absl::Hours(1),
                            .not_after = kNow + absl::Hours(1)},
                           nullptr);
  }
  static std::string CrlOf(const TestCertificate& ca, absl::Duration until = absl::Hours(1),
                           absl::Duration from = absl::Hours(-1)) {
    return ca.CrlPem({}, until, from, kNow);
  }
  // With a critical one more.
  std::string WithExtension(const std::string& pem, const char* oid,
                            const std::vector<uint8_t>& value) const {
    const bssl::UniquePtr<BIO> in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    const bssl::UniquePtr<X509_CRL> crl(PEM_read_bio_X509_CRL(in.get(), nullptr, nullptr, nullptr));
    const bssl::UniquePtr<ASN1_OBJECT> object(OBJ_txt2obj(oid, /*dont_search_names=*/1));
    const bssl::UniquePtr<ASN1_OCTET_STRING> octets(ASN1_OCTET_STRING_new());
    ASN1_OCTET_STRING_set(octets.get(), value.data(), static_cast<int>(value.size()));
    const bssl::UniquePtr<X509_EXTENSION> extension(
        X509_EXTENSION_create_by_OBJ(nullptr, object.get(), /*crit=*/1, octets.get()));
    EXPECT_EQ(X509_CRL_add_ext(crl.get(), extension.get(), -1), 1);
    EXPECT_NE(X509_CRL_sign(crl.get(), root_.key.get(), EVP_sha256()), 0);
    const bssl::UniquePtr<BIO> out(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509_CRL(out.get(), crl.get());
    const uint8_t* data;
    size_t length;
    BIO_mem_contents(out.get(), &data, &length);
    return std::string(reinterpret_cast<const char*>(data), length);
  }

  static inline const absl::Time kNow = absl::UnixEpoch() + absl::Hours(500'000);
  const TestCertificate root_ = Ca("root");
  const TestCertificate other_ = Ca("other");
};

TEST_F(TrustFilesTest, ACrlMustBeInForceWhenItIsRead) {
  const std::string good = CrlOf(root_);
  EXPECT_EQ(Error(good, kNow), "");
  EXPECT_EQ(
      Error(good, kNow + absl::Hours(2)),
      "ca.crl: CRL 1 in it has expired (its nextUpdate has passed); fetch a new one from its CA");
  EXPECT_EQ(Error(good, kNow - absl::Hours(2)),
            "ca.crl: CRL 1 in it is not valid yet (its lastUpdate is in the future)");
  EXPECT_EQ(
      Error(good + CrlOf(root_, absl::Seconds(-60)), kNow),
      "ca.crl: CRL 2 in it has expired (its nextUpdate has passed); fetch a new one from its CA");
}

TEST_F(TrustFilesTest, ACrlThatNoCertificateCouldBeVerifiedWithIsRefused) {
  const TestCertificate signs_none = MakeCertificate({.common_name = "root",
                                                      .ca = true,
                                                      .not_before = kNow - absl::Hours(1),
                                                      .not_after = kNow + absl::Hours(1),
                                                      .key_usage = "critical,keyCertSign"},
                                                     nullptr);
  TrustOptions options = Options(CrlOf(signs_none));
  options.ca_pem = signs_none.CertificatePem();
  EXPECT_EQ(ReadTrustFacts(options, kNow).status().message(),
            "ca.crl: CRL 1 in it is of a CA whose key usage does not let it sign CRLs");
  const std::string numbered = WithExtension(CrlOf(root_), "2.5.29.20", {0x02, 0x01, 0x02});
  EXPECT_EQ(Error(CrlOf(root_) + WithExtension(numbered, "2.5.29.27", {0x02, 0x01, 0x01}), kNow),
            "ca.crl: CRL 2 in it is a delta CRL, which is not supported; give the complete one");
  EXPECT_EQ(Error(WithExtension(CrlOf(root_), "1.2.3.4.5", {0x05, 0x00}), kNow),
            "ca.crl: CRL 1 in it has a critical extension that is not supported");
}

TEST_F(TrustFilesTest, WhatHasExpiredCanStillBeUsedWhereItIsInForceAlready) {
  // A TrustStore asks the real clock.
  const std::string past = root_.CrlPem({}, absl::Hours(2), absl::Hours(1), absl::UnixEpoch());
  EXPECT_TRUE(TrustStore::Create(Options(past)).ok());
}

TEST_F(TrustFilesTest, TellsUntilWhenCasAndCrlsAreGood) {
  TrustOptions options = Options(CrlOf(root_, absl::Hours(5)));
  options.ca_pem += other_.CertificatePem();
  const auto facts = ReadTrustFacts(options, kNow);
  ASSERT_TRUE(facts.ok()) << facts.status();
  ASSERT_THAT(facts->cas, SizeIs(2));
  EXPECT_GT(facts->cas[1].until, kNow);
  EXPECT_LT(facts->cas[1].from, kNow);
  ASSERT_THAT(facts->crls, SizeIs(1));
  EXPECT_LT(facts->crls[0].until - kNow, absl::Hours(5) + absl::Seconds(2));
  EXPECT_GT(facts->crls[0].until - kNow, absl::Hours(5) - absl::Minutes(5));
}

TEST_F(TrustFilesTest, ACrlThatHadExpiredAlreadyDoesNotKeepAnothersFromBeingUsed) {
  const std::string expired = CrlOf(other_, absl::Minutes(-10), absl::Hours(-2));
  TrustOptions served = Options(CrlOf(root_) + expired);
  served.ca_pem += other_.CertificatePem();
  TrustOptions renewed = served;
  renewed.crl_pem = CrlOf(root_, absl::Hours(3), absl::Minutes(-1)) + expired;
  EXPECT_FALSE(ReadTrustFacts(renewed, kNow).ok()) << "nothing is served";
  EXPECT_TRUE(ReadTrustFacts(renewed, kNow, &served).ok());
  const TrustOptions none = {};
  EXPECT_FALSE(ReadTrustFacts(renewed, kNow, &none).ok());
  // But one that is in force is not given up for one that is not.
  served.crl_pem = CrlOf(root_) + CrlOf(other_, absl::Hours(1), absl::Hours(-2));
  EXPECT_FALSE(ReadTrustFacts(renewed, kNow, &served).ok());
  // Nor one that revoked more for an older one.
  served.crl_pem = CrlOf(root_) + CrlOf(other_, absl::Minutes(-5), absl::Hours(-1));
  EXPECT_FALSE(ReadTrustFacts(renewed, kNow, &served).ok());
}

TEST_F(TrustFilesTest, OfTwoCrlsOfOneCaTheOneThatLastsLongerCounts) {
  const auto facts =
      ReadTrustFacts(Options(CrlOf(root_, absl::Hours(2)) + CrlOf(root_, absl::Hours(5))), kNow);
  ASSERT_TRUE(facts.ok()) << facts.status();
  ASSERT_THAT(facts->crls, SizeIs(1));
  EXPECT_EQ(facts->crls[0].until, kNow + absl::Hours(5));
}

TEST_F(TrustFilesTest, ACaThatHasExpiredIsOdd) {
  const auto facts = ReadTrustFacts(Options(), kNow + absl::Hours(2));
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_THAT(facts->warnings,
              ElementsAre(HasSubstr("ca.crt: the CA 'CN=root' in it has expired")));
}

TEST_F(TrustFilesTest, ACrlOfAnotherCaIsOdd) {
  const auto facts = ReadTrustFacts(Options(CrlOf(root_) + CrlOf(other_)), kNow);
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_THAT(facts->warnings,
              ElementsAre(AllOf(HasSubstr("ca.crl: CRL 2 in it is of 'CN=other', none of the CAs"),
                                HasSubstr("in ca.crt: it revokes nothing"))));
}

TEST_F(TrustFilesTest, ACaWithoutACrlIsOddWhereOthersHaveOne) {
  TrustOptions options = Options(CrlOf(root_));
  options.ca_pem += other_.CertificatePem();
  const auto facts = ReadTrustFacts(options, kNow);
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_THAT(facts->warnings,
              ElementsAre(HasSubstr("ca.crl: has no CRL of 1 of the 2 CAs in ca.crt, such as "
                                    "'CN=other'")));
  EXPECT_THAT(ReadTrustFacts(Options(CrlOf(root_)), kNow)->warnings, IsEmpty());
  EXPECT_THAT(ReadTrustFacts(Options(), kNow)->warnings, IsEmpty());
}

TEST_F(TrustFilesTest, WhatWasRevokedStaysSo) {
  const TrustOptions served = Options(CrlOf(root_));
  const auto problem = [&served](const TrustOptions& renewed) {
    return std::string(CheckCrlsKept(served, renewed).message());
  };
  EXPECT_EQ(problem(served), "");
  EXPECT_EQ(problem(Options(CrlOf(root_, absl::Hours(2), absl::Minutes(-1)))), "");
  EXPECT_THAT(problem(Options(CrlOf(root_, absl::Hours(2), absl::Hours(-2)))),
              HasSubstr("ca.crl: is older than the CRL that is served"));
  EXPECT_THAT(problem(Options(CrlOf(other_))),
              HasSubstr("ca.crl: lacks the CRL of a CA that is still trusted"));
  TrustOptions without_root = Options(CrlOf(other_));
  without_root.ca_pem = other_.CertificatePem();
  EXPECT_EQ(problem(without_root), "");
}

}  // namespace
}  // namespace tlsbridge::tls
