#include "tls/hello/protocol_options.h"

#include <openssl/ssl.h>

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tlsbridge::tls {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class ProtocolOptionsTest : public ::testing::Test {
 protected:
  std::string Refusal() {
    return std::string(ApplyProtocolOptions(options_, ctx_.get()).message());
  }
  // The names of the ciphers of TLS 1.2 that are set.
  std::vector<std::string> Ciphers() {
    std::vector<std::string> names;
    const STACK_OF(SSL_CIPHER)* ciphers = SSL_CTX_get_ciphers(ctx_.get());
    for (size_t i = 0; i < sk_SSL_CIPHER_num(ciphers); ++i) {
      names.emplace_back(SSL_CIPHER_get_name(sk_SSL_CIPHER_value(ciphers, i)));
    }
    return names;
  }

  ProtocolOptions options_;
  bssl::UniquePtr<SSL_CTX> ctx_{SSL_CTX_new(TLS_method())};
};

TEST_F(ProtocolOptionsTest, TheDefaultsAreForwardSecretAeadsOfTls12AndTls13) {
  EXPECT_EQ(Refusal(), "");
  EXPECT_EQ(SSL_CTX_get_min_proto_version(ctx_.get()), TLS1_2_VERSION);
  EXPECT_EQ(SSL_CTX_get_max_proto_version(ctx_.get()), TLS1_3_VERSION);
  EXPECT_EQ(Ciphers().size(), 6u);
  for (const std::string& name : Ciphers()) EXPECT_THAT(name, HasSubstr("ECDHE-"));
  for (const std::string& name : Ciphers()) EXPECT_THAT(name, Not(HasSubstr("SHA1")));
}

TEST_F(ProtocolOptionsTest, AVersionThatThereIsNotIsRefusedWithThoseThatThereAre) {
  options_.min_version = "TLSv1.1";
  EXPECT_EQ(Refusal(), "min_version: \"TLSv1.1\" is not one of TLSv1.2, TLSv1.3");
  options_.min_version = "TLSv1.2";
  options_.max_version = "1.3";
  EXPECT_EQ(Refusal(), "max_version: \"1.3\" is not one of TLSv1.2, TLSv1.3");
}

TEST_F(ProtocolOptionsTest, VersionsAreSetAndMustNotContradictEachOther) {
  options_.min_version = "TLSv1.3";
  EXPECT_EQ(Refusal(), "");
  EXPECT_EQ(SSL_CTX_get_min_proto_version(ctx_.get()), TLS1_3_VERSION);
  options_.max_version = "TLSv1.2";
  EXPECT_EQ(Refusal(), "min_version: TLSv1.3 is above max_version, TLSv1.2");
  options_.max_version = "TLSv1.3";
  options_.ciphers = "ECDHE-RSA-AES128-GCM-SHA256";
  EXPECT_EQ(Refusal(), "ciphers: are those of TLS 1.2, which min_version excludes");
}

TEST_F(ProtocolOptionsTest, CiphersMayBeNamedAsOpenSslOrAsIanaDo) {
  options_.ciphers = "ECDHE-RSA-AES256-GCM-SHA384:TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256";
  EXPECT_EQ(Refusal(), "");
  EXPECT_THAT(Ciphers(),
              ElementsAre("ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256"));
}

TEST_F(ProtocolOptionsTest, ACipherThatThereIsNotIsRefusedWithThoseThatThereAre) {
  for (const char* name : {"ECDHE-RSA-RC4-SHA", "HIGH", "!aNULL", "TLS_AES_128_GCM_SHA256",
                           "ECDHE-PSK-AES128-CBC-SHA"}) {
    options_.ciphers = std::string("ECDHE-RSA-AES128-GCM-SHA256:") + name;
    EXPECT_THAT(Refusal(), HasSubstr(std::string("ciphers: \"") + name + "\" is not one of ECDHE-"))
        << name;
    EXPECT_THAT(Refusal(), Not(HasSubstr("PSK-AES128-CBC-SHA,"))) << name;
  }
}

TEST_F(ProtocolOptionsTest, ACipherWithoutForwardSecrecyIsRefused) {
  for (const char* name :
       {"AES128-GCM-SHA256", "AES256-SHA", "AES128-SHA", "TLS_RSA_WITH_AES_128_GCM_SHA256"}) {
    options_.ciphers = std::string("ECDHE-RSA-AES128-GCM-SHA256:") + name;
    EXPECT_THAT(Refusal(),
                HasSubstr(std::string("ciphers: \"") + name + "\" is not forward secret"));
  }
  options_.ciphers = "ALL";
  EXPECT_THAT(Refusal(), Not(HasSubstr(" AES128-SHA")));
}

TEST_F(ProtocolOptionsTest, ACipherListThatCannotBeParsedSaysHowToWriteOne) {
  options_.ciphers = "[ECDHE-RSA-AES128-GCM-SHA256";
  EXPECT_EQ(Refusal(),
            "ciphers: \"[ECDHE-RSA-AES128-GCM-SHA256\" cannot be parsed; write a:b, or [a|b]:c "
            "where a and b are equal");
  options_.ciphers = ":";
  EXPECT_THAT(Refusal(), HasSubstr("cannot be parsed"));
}

TEST_F(ProtocolOptionsTest, GroupsAreCheckedByName) {
  options_.groups = "P-384:X25519";
  EXPECT_EQ(Refusal(), "");
  options_.groups = "P-384:P-224";
  EXPECT_THAT(Refusal(), HasSubstr("groups: \"P-224\" is not one of "));
  EXPECT_THAT(Refusal(), HasSubstr("X25519, P-256, P-384, P-521"));
  options_.groups = "P-384:";
  EXPECT_THAT(Refusal(), HasSubstr("groups: \"\" is not one of "));
  options_.groups = "P-384:P-384";
  EXPECT_EQ(Refusal(), "groups: \"P-384\" comes twice");
}

TEST_F(ProtocolOptionsTest, SignatureAlgorithmsAreCheckedByNameAndKeepTheirOrder) {
  const auto all = ParseSignatureAlgorithms("");
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(all->size(), 9u);
  const auto two = ParseSignatureAlgorithms("rsa_pkcs1_sha256:ecdsa_secp256r1_sha256");
  ASSERT_TRUE(two.ok());
  EXPECT_THAT(*two, ElementsAre(SSL_SIGN_RSA_PKCS1_SHA256, SSL_SIGN_ECDSA_SECP256R1_SHA256));
  EXPECT_THAT(std::string(ParseSignatureAlgorithms("rsa_pkcs1_sha1").status().message()),
              HasSubstr("signature_algorithms: \"rsa_pkcs1_sha1\" is not one of ecdsa_secp256r1_"));
}

}  // namespace
}  // namespace tlsbridge::tls
