#include "tls/trust/trust_store.h"

#include <openssl/bio.h>
#include <openssl/nid.h>
#include <openssl/obj.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "tests/tls/test_certificates.h"

namespace tlsbridge::tls {
namespace {

using ::tlsbridge::testing::CertificateShape;
using ::tlsbridge::testing::MakeCertificate;
using ::tlsbridge::testing::TestCertificate;

class TrustStoreTest : public ::testing::Test {
 protected:
  TrustOptions Options(const std::string& crl_pem = "") const {
    return {root_.CertificatePem(), "ca.crt", crl_pem, "ca.crl"};
  }
  static std::unique_ptr<TrustStore> Create(const TrustOptions& options) {
    auto made = TrustStore::Create(options);
    EXPECT_TRUE(made.ok()) << made.status();
    return *std::move(made);
  }
  static std::string Error(const TrustOptions& options) {
    return std::string(TrustStore::Create(options).status().message());
  }
  static TrustStore::Problem Verify(const TrustStore& store,
                                    const std::vector<const TestCertificate*>& chain) {
    bssl::UniquePtr<STACK_OF(X509)> stack(sk_X509_new_null());
    for (const TestCertificate* one : chain) {
      bssl::PushToStack(stack.get(), bssl::UpRef(one->certificate));
    }
    return store.Verify(stack.get(), TrustStore::Purpose::kClient, nullptr);
  }
  static std::string Why(const TrustStore& store,
                         const std::vector<const TestCertificate*>& chain) {
    const TrustStore::Problem problem = Verify(store, chain);
    return problem.why == nullptr ? "" : problem.why;
  }

  const TestCertificate root_ = MakeCertificate({.common_name = "root", .ca = true}, nullptr);
  const TestCertificate middle_ = MakeCertificate({.common_name = "middle", .ca = true}, &root_);
  const TestCertificate leaf_ = MakeCertificate({.common_name = "leaf"}, &middle_);
  const TestCertificate direct_ = MakeCertificate({.common_name = "direct"}, &root_);
};

TEST_F(TrustStoreTest, ACaWithoutACrlHasRevokedNothingUnlessCrlsAreRequired) {
  TrustOptions options = Options(root_.CrlPem({}));
  EXPECT_EQ(Why(*Create(options), {&leaf_, &middle_}), "");
  options.require_crl = true;
  EXPECT_EQ(Why(*Create(options), {&leaf_, &middle_}), "crl_missing");
  EXPECT_EQ(Why(*Create(options), {&direct_}), "");
  options.crl_pem = "";
  EXPECT_EQ(Why(*Create(options), {&direct_}), "crl_missing");
  options.crl_pem = root_.CrlPem({}) + middle_.CrlPem({});
  EXPECT_EQ(Why(*Create(options), {&leaf_, &middle_}), "");
}

TEST_F(TrustStoreTest, WhatACrlOfAnyCaOfTheChainListsIsRevoked) {
  EXPECT_EQ(Why(*Create(Options(middle_.CrlPem({&leaf_}))), {&leaf_, &middle_}), "revoked");
  EXPECT_EQ(Why(*Create(Options(root_.CrlPem({&middle_}))), {&leaf_, &middle_}), "revoked");
  EXPECT_EQ(Why(*Create(Options(root_.CrlPem({&leaf_}))), {&leaf_, &middle_}), "")
      << "another CA's numbers mean nothing";
  EXPECT_EQ(Why(*Create(Options(root_.CrlPem({}) + middle_.CrlPem({&leaf_}))), {&leaf_, &middle_}),
            "revoked");
  EXPECT_EQ(Verify(*Create(Options(root_.CrlPem({&direct_}))), {&direct_}).alert,
            SSL_AD_CERTIFICATE_REVOKED);
}

TEST_F(TrustStoreTest, OfAForgedCertificateNothingElseIsSaid) {
  // In the name of a CA, but with another key than it has.
  const TestCertificate impostor = MakeCertificate({.common_name = "root", .ca = true}, nullptr);
  const TestCertificate revoked = MakeCertificate({.common_name = "direct"}, &impostor);
  EXPECT_EQ(Why(*Create(Options(root_.CrlPem({&revoked}))), {&revoked}), "untrusted");
  const TestCertificate server =
      MakeCertificate({.common_name = "direct", .extended_usage = "serverAuth"}, &impostor);
  EXPECT_EQ(Why(*Create(Options()), {&server}), "untrusted");
  const TestCertificate genuine =
      MakeCertificate({.common_name = "direct", .extended_usage = "serverAuth"}, &root_);
  EXPECT_EQ(Why(*Create(Options()), {&genuine}), "wrong_purpose");
}

TEST_F(TrustStoreTest, ACrlThatExpiresLaterRefusesWithAReasonOfItsOwn) {
  const auto store = Create(Options(root_.CrlPem({}, absl::Seconds(2))));
  EXPECT_EQ(Why(*store, {&direct_}), "");
  bssl::UniquePtr<ASN1_TIME> until(ASN1_TIME_new());
  X509_gmtime_adj(until.get(), 3);
  while (X509_cmp_current_time(until.get()) > 0) std::this_thread::yield();
  const TrustStore::Problem problem = Verify(*store, {&direct_});
  EXPECT_STREQ(problem.why, "crl_expired");
  EXPECT_EQ(problem.alert, SSL_AD_CERTIFICATE_UNKNOWN);
}

TEST_F(TrustStoreTest, ACrlForgedInTheNameOfACaBelowIsInvalidWhereItIsUsed) {
  const TestCertificate impostor = MakeCertificate({.common_name = "middle", .ca = true}, nullptr);
  EXPECT_EQ(Why(*Create(Options(impostor.CrlPem({}))), {&leaf_, &middle_}), "crl_invalid");
}

TEST_F(TrustStoreTest, ACrlWithACriticalExtensionThatNobodyKnowsIsNotIgnored) {
  bssl::UniquePtr<BIO> in(BIO_new(BIO_s_mem()));
  const std::string pem = root_.CrlPem({});
  BIO_write(in.get(), pem.data(), static_cast<int>(pem.size()));
  bssl::UniquePtr<X509_CRL> crl(PEM_read_bio_X509_CRL(in.get(), nullptr, nullptr, nullptr));
  bssl::UniquePtr<ASN1_OBJECT> oid(OBJ_txt2obj("1.2.3.4.5", 1));
  bssl::UniquePtr<ASN1_OCTET_STRING> value(ASN1_OCTET_STRING_new());
  ASN1_OCTET_STRING_set(value.get(), reinterpret_cast<const uint8_t*>("\x05\x00"), 2);
  bssl::UniquePtr<X509_EXTENSION> extension(
      X509_EXTENSION_create_by_OBJ(nullptr, oid.get(), /*crit=*/1, value.get()));
  ASSERT_EQ(X509_CRL_add_ext(crl.get(), extension.get(), -1), 1);
  ASSERT_NE(X509_CRL_sign(crl.get(), root_.key.get(), EVP_sha256()), 0);
  bssl::UniquePtr<BIO> out(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509_CRL(out.get(), crl.get());
  const uint8_t* data;
  size_t length;
  BIO_mem_contents(out.get(), &data, &length);
  const auto store = Create(Options(std::string(reinterpret_cast<const char*>(data), length)));
  EXPECT_NE(Why(*store, {&direct_}), "");
}

TEST_F(TrustStoreTest, SaysWhatIsWrongWithAFileOfCrls) {
  const TestCertificate impostor = MakeCertificate({.common_name = "root", .ca = true}, nullptr);
  const std::string good = root_.CrlPem({});
  EXPECT_EQ(Error(Options("rubbish")), "ca.crl: holds no PEM CRL (no BEGIN X509 CRL line)");
  EXPECT_EQ(Error(Options(root_.CertificatePem())),
            "ca.crl: holds no PEM CRL (no BEGIN X509 CRL line)");
  EXPECT_EQ(Error(Options(good + "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n")),
            absl::StrCat("ca.crl:", std::count(good.begin(), good.end(), '\n') + 1,
                         ": CRL 2 in it cannot be parsed"));
  EXPECT_EQ(Error(Options(impostor.CrlPem({}))),
            "ca.crl: CRL 1 in it is not signed by the CA that it names");
}

TEST_F(TrustStoreTest, AChainMayHaveFourCasBetweenLeafAndRootAndNoMore) {
  std::vector<TestCertificate> between;
  const TestCertificate* issuer = &root_;
  between.reserve(6);
  for (int i = 0; i < 6; ++i) {
    between.push_back(MakeCertificate(
        {.common_name = std::string(1, static_cast<char>('a' + i)), .ca = true}, issuer));
    issuer = &between.back();
  }
  const auto store = Create(Options());
  const auto why = [&](size_t cas) {
    const TestCertificate leaf = MakeCertificate({.common_name = "leaf"}, &between[cas - 1]);
    std::vector<const TestCertificate*> chain = {&leaf};
    for (size_t i = cas; i > 0; --i) chain.push_back(&between[i - 1]);
    return Why(*store, chain);
  };
  EXPECT_EQ(why(4), "");
  EXPECT_NE(why(5), "");
  EXPECT_NE(why(6), "");
}

TEST_F(TrustStoreTest, EachCertificateOfAChainIsHeldToTheSameKeysAndDigests) {
  // What is odd about the root, about the CA below it and about the leaf.
  struct Case {
    const char* what;
    CertificateShape root;
    CertificateShape middle;
    CertificateShape leaf;
    const char* why;
  };
  const auto ca = [](CertificateShape shape) {
    shape.ca = true;
    shape.common_name = shape.common_name == "test" ? "ca" : shape.common_name;
    return shape;
  };
  const Case kCases[] = {
      {"nothing", {}, {}, {}, ""},
      {"leaf by SHA-1", {}, {}, {.digest = EVP_sha1()}, "weak_signature"},
      {"leaf by SHA-1 with RSA", {}, {.rsa = true}, {.digest = EVP_sha1()}, "weak_signature"},
      {"CA by SHA-1", {}, {.digest = EVP_sha1()}, {}, "weak_signature"},
      {"root by SHA-1", {.digest = EVP_sha1()}, {}, {}, ""},
      {"leaf by SHA-512", {}, {}, {.digest = EVP_sha512()}, ""},
      {"leaf of RSA 1024", {}, {}, {.rsa = true, .rsa_bits = 1024}, "weak_key"},
      {"CA of RSA 1024", {}, {.rsa = true, .rsa_bits = 1024}, {}, "weak_key"},
      {"root of RSA 1024", {.rsa = true, .rsa_bits = 1024}, {}, {}, "weak_key"},
      {"leaf of RSA 2048", {}, {}, {.rsa = true}, ""},
      {"leaf of P-224", {}, {}, {.curve = NID_secp224r1}, "unsupported_key"},
      {"CA of P-224", {}, {.curve = NID_secp224r1}, {}, "unsupported_key"},
      {"all of P-521",
       {.curve = NID_secp521r1},
       {.curve = NID_secp521r1},
       {.curve = NID_secp521r1},
       ""},
      {"all of Ed25519", {.ed25519 = true}, {.ed25519 = true}, {.ed25519 = true}, ""},
  };
  for (const Case& c : kCases) {
    CertificateShape shape = ca(c.root);
    shape.common_name = "the root";
    const TestCertificate root = MakeCertificate(shape, nullptr);
    shape = ca(c.middle);
    shape.common_name = "the middle";
    const TestCertificate middle = MakeCertificate(shape, &root);
    const TestCertificate leaf = MakeCertificate(c.leaf, &middle);
    const auto store = Create({root.CertificatePem(), "ca.crt", "", ""});
    EXPECT_EQ(Why(*store, {&leaf, &middle}), c.why) << c.what;
  }
}

TEST_F(TrustStoreTest, AnIntermediateCaAloneIsAnAnchor) {
  TrustOptions options = {middle_.CertificatePem(), "ca.crt", "", "ca.crl"};
  EXPECT_EQ(Why(*Create(options), {&leaf_}), "");
  EXPECT_EQ(Why(*Create(options), {&leaf_, &middle_}), "");
  EXPECT_EQ(Why(*Create(options), {&direct_}), "untrusted") << "its root vouches for nobody";
  options.require_crl = true;
  options.crl_pem = middle_.CrlPem({});
  EXPECT_EQ(Why(*Create(options), {&leaf_}), "") << "nobody asks for a CRL of the anchor's CA";
  options.crl_pem = middle_.CrlPem({&leaf_});
  EXPECT_EQ(Why(*Create(options), {&leaf_}), "revoked");
}

TEST_F(TrustStoreTest, ASelfSignedCertificateStandsForItselfAndNobodyElse) {
  for (const char* key_usage : {"", "critical,digitalSignature"}) {
    for (const char* constraints : {"CA:FALSE", "critical,CA:TRUE", "none"}) {
      const TestCertificate own = MakeCertificate(
          {.common_name = "own", .key_usage = key_usage, .basic_constraints = constraints},
          nullptr);
      const auto store = Create({own.CertificatePem(), "ca.crt", "", ""});
      EXPECT_EQ(Why(*store, {&own}), "") << key_usage << constraints;
      if (absl::string_view(constraints) == "critical,CA:TRUE") continue;
      const TestCertificate forged = MakeCertificate({.common_name = "forged"}, &own);
      EXPECT_EQ(Why(*store, {&forged, &own}), "untrusted") << key_usage << constraints;
    }
  }
  const TestCertificate server =
      MakeCertificate({.common_name = "own", .extended_usage = "serverAuth"}, nullptr);
  EXPECT_EQ(Why(*Create({server.CertificatePem(), "ca.crt", "", ""}), {&server}), "wrong_purpose");
  const TestCertificate other = MakeCertificate({.common_name = "own"}, nullptr);
  EXPECT_EQ(Why(*Create({server.CertificatePem(), "ca.crt", "", ""}), {&other}), "untrusted");
}

TEST_F(TrustStoreTest, AnAnchorsPathLengthIsKept) {
  const TestCertificate root = MakeCertificate(
      {.common_name = "root", .ca = true, .basic_constraints = "critical,CA:TRUE,pathlen:0"},
      nullptr);
  const TestCertificate middle = MakeCertificate({.common_name = "m", .ca = true}, &root);
  const TestCertificate direct = MakeCertificate({}, &root);
  const TestCertificate below = MakeCertificate({}, &middle);
  const auto store = Create({root.CertificatePem(), "ca.crt", "", ""});
  EXPECT_EQ(Why(*store, {&direct}), "");
  EXPECT_EQ(Why(*store, {&below, &middle}), "invalid");
}

TEST_F(TrustStoreTest, TellsHowLongAChainIsGoodFor) {
  const absl::Time first = absl::FromUnixSeconds(4'000'000'000);
  const TestCertificate soon = MakeCertificate({.not_after = first}, &root_);
  EXPECT_LT(Verify(*Create(Options()), {&soon}).until, first) << "its CA lives for an hour";
  const TestCertificate long_root = MakeCertificate(
      {.common_name = "ca", .ca = true, .not_after = first + absl::Hours(1)}, nullptr);
  const TestCertificate leaf = MakeCertificate({.not_after = first}, &long_root);
  EXPECT_EQ(Verify(*Create({long_root.CertificatePem(), "ca.crt", "", ""}), {&leaf}).until, first);
}

TEST_F(TrustStoreTest, NoChainAtAllIsInvalid) { EXPECT_EQ(Why(*Create(Options()), {}), "invalid"); }

}  // namespace
}  // namespace tlsbridge::tls
