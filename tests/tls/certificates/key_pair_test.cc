#include "tls/certificates/key_pair.h"

#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <string>
#include <thread>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "tls/certificates/development_ca.h"
#include "tls/certificates/pem_file.h"

namespace tlsbridge::tls {
namespace {

std::string Contents(BIO* bio) {
  const uint8_t* data;
  size_t length;
  BIO_mem_contents(bio, &data, &length);
  return std::string(reinterpret_cast<const char*>(data), length);
}

std::string KeyPem(EVP_PKEY* key, const char* password = nullptr) {
  bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PKCS8PrivateKey(
      bio.get(), key, password ? EVP_aes_128_cbc() : nullptr, const_cast<char*>(password),
      password ? static_cast<int>(strlen(password)) : 0, nullptr, nullptr);
  return Contents(bio.get());
}

std::string CertificatePem(X509* certificate) {
  bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), certificate);
  return Contents(bio.get());
}

bssl::UniquePtr<EVP_PKEY> RsaKey(int bits) {
  bssl::UniquePtr<RSA> rsa(RSA_new());
  bssl::UniquePtr<BIGNUM> e(BN_new());
  BN_set_word(e.get(), RSA_F4);
  RSA_generate_key_ex(rsa.get(), bits, e.get(), nullptr);
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  EVP_PKEY_set1_RSA(key.get(), rsa.get());
  return key;
}

class KeyPairTest : public ::testing::Test {
 protected:
  KeyPairTest() {
    auto identity = MakeDevelopmentIdentity(now_);
    leaf_ = CertificatePem(identity->localhost.chain.front().get());
    key_ = KeyPem(identity->localhost.key.get());
    encrypted_key_ = KeyPem(identity->localhost.key.get(), "secret");
    ca_ = identity->ca_pem;
  }

  absl::StatusOr<KeyPair> Parse(const std::string& certificate, const std::string& key) {
    return ParseKeyPair(certificate, "tls.crt", key, "tls.key", now_);
  }
  void ExpectRefused(const std::string& certificate, const std::string& key,
                     const std::string& message) {
    const auto pair = Parse(certificate, key);
    ASSERT_FALSE(pair.ok());
    EXPECT_EQ(std::string(pair.status().message()), message);
  }

  const absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
  std::string leaf_, key_, encrypted_key_, ca_;
};

TEST_F(KeyPairTest, TakesALeafWithItsChainAndKey) {
  const auto pair = Parse(leaf_ + ca_, key_);
  ASSERT_TRUE(pair.ok()) << pair.status();
  EXPECT_EQ(pair->chain.size(), 2u);
}

TEST_F(KeyPairTest, TakesCertificateAndKeyFromOneText) {
  const std::string both = absl::StrCat(key_, leaf_);
  EXPECT_TRUE(ParseKeyPair(both, "both.pem", both, "both.pem", now_).ok());
}

TEST_F(KeyPairTest, TakesAnRsaKeyOf2048Bits) {
  bssl::UniquePtr<EVP_PKEY> key = RsaKey(2048);
  bssl::UniquePtr<X509> certificate(X509_new());
  ASN1_TIME_set(X509_getm_notBefore(certificate.get()), absl::ToTimeT(now_ - absl::Minutes(1)));
  ASN1_TIME_set(X509_getm_notAfter(certificate.get()), absl::ToTimeT(now_ + absl::Minutes(1)));
  X509_set_pubkey(certificate.get(), key.get());
  X509_sign(certificate.get(), key.get(), EVP_sha256());
  EXPECT_TRUE(Parse(CertificatePem(certificate.get()), KeyPem(key.get())).ok());
}

TEST_F(KeyPairTest, RefusesWhatIsNoCertificate) {
  ExpectRefused("hello", key_, "tls.crt: holds no PEM certificate (no BEGIN CERTIFICATE line)");
  ExpectRefused("", key_, "tls.crt: holds no PEM certificate (no BEGIN CERTIFICATE line)");
}

TEST_F(KeyPairTest, RefusesABrokenCertificateAnywhereInTheChain) {
  const std::string broken = absl::StrReplaceAll(
      ca_, {{"-----BEGIN CERTIFICATE-----\nM", "-----BEGIN CERTIFICATE-----\nA"}});
  const auto line = std::count(leaf_.begin(), leaf_.end(), '\n') + 1;
  ExpectRefused(leaf_ + broken, key_,
                absl::StrCat("tls.crt:", line, ": certificate 2 in it cannot be parsed"));
}

TEST_F(KeyPairTest, RefusesWhatIsNoKey) {
  ExpectRefused(leaf_, leaf_, "tls.key: holds no PEM private key (no BEGIN PRIVATE KEY line)");
  ExpectRefused(leaf_, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
                "tls.key:1: the private key in it cannot be parsed");
}

TEST_F(KeyPairTest, RefusesAnEncryptedKey) {
  ExpectRefused(leaf_, encrypted_key_,
                "tls.key:1: the private key is encrypted; to decrypt it: openssl pkey -in tls.key "
                "-out NEW");
}

TEST_F(KeyPairTest, RefusesAnRsaKeyThatIsTooWeak) {
  ExpectRefused(leaf_, KeyPem(RsaKey(1024).get()),
                "tls.key: an RSA key of 1024 bits is too weak; the minimum is 2048");
}

TEST_F(KeyPairTest, RefusesAKeyOfAnotherCertificate) {
  auto other = MakeDevelopmentIdentity(now_);
  ExpectRefused(leaf_, KeyPem(other->localhost.key.get()),
                "tls.key: this private key does not belong to the certificate in tls.crt; use the "
                "key that it was "
                "issued for");
}

TEST_F(KeyPairTest, RefusesAnExpiredCertificateWithItsDate) {
  const auto pair = ParseKeyPair(leaf_, "tls.crt", key_, "tls.key", now_ + absl::Hours(24 * 8));
  ASSERT_FALSE(pair.ok());
  EXPECT_TRUE(absl::StartsWith(pair.status().message(), "tls.crt: expired on 20")) << pair.status();
}

TEST_F(KeyPairTest, RefusesACertificateThatIsNotYetValid) {
  const auto pair = ParseKeyPair(leaf_, "tls.crt", key_, "tls.key", now_ - absl::Hours(2));
  ASSERT_FALSE(pair.ok());
  EXPECT_TRUE(absl::StartsWith(pair.status().message(), "tls.crt: is not valid before 20"))
      << pair.status();
}

TEST_F(KeyPairTest, NamesAFileThatCannotBeReadAndWhy) {
  const auto missing = LoadKeyPair("/nonexistent/tls.crt", "/nonexistent/tls.key", now_);
  EXPECT_EQ(std::string(missing.status().message()),
            "/nonexistent/tls.crt: cannot be read: No such file or directory; create it, or "
            "correct the path");
  const auto folder = LoadKeyPair("/", "/", now_);
  EXPECT_EQ(std::string(folder.status().message()), "/: cannot be read: Is a directory");
}

TEST_F(KeyPairTest, LoadsFromFiles) {
  const std::string folder = ::testing::TempDir();
  std::ofstream(folder + "/tls.crt") << leaf_;
  std::ofstream(folder + "/tls.key") << key_;
  EXPECT_TRUE(LoadKeyPair(folder + "/tls.crt", folder + "/tls.key", now_).ok());
}

TEST_F(KeyPairTest, ReadsAPipeWhoseSizeIsNotKnownBeforehand) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const std::string text = leaf_ + std::string(20'000, '\n') + key_;
  ASSERT_EQ(write(ends[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  close(ends[1]);
  const auto read = ReadPemFile(absl::StrCat("/dev/fd/", ends[0]));
  close(ends[0]);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, text);
}

TEST_F(KeyPairTest, WaitsForTheWriterOfAPipe) {
  const std::string path = ::testing::TempDir() + "/fifo";
  unlink(path.c_str());
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  std::thread writer([&] {
    // Opening it waits for the reader; what comes then, comes in pieces.
    const int fd = open(path.c_str(), O_WRONLY);
    const std::string text = leaf_ + key_;
    for (size_t at = 0; at < text.size(); at += 100) {
      const std::string piece = text.substr(at, 100);
      EXPECT_EQ(write(fd, piece.data(), piece.size()), static_cast<ssize_t>(piece.size()));
      std::this_thread::yield();
    }
    close(fd);
  });
  const auto pair = LoadKeyPair(path, path, now_);
  writer.join();
  EXPECT_TRUE(pair.ok()) << pair.status();
}

TEST_F(KeyPairTest, DoesNotWaitForEverForTheWriterOfAPipe) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const auto read = ReadPemFile(absl::StrCat("/dev/fd/", ends[0]));
  close(ends[0]);
  close(ends[1]);
  EXPECT_EQ(
      std::string(read.status().message()),
      absl::StrCat("/dev/fd/", ends[0], ": is a pipe, and its writer was not done within 5s"));
}

TEST_F(KeyPairTest, TellsAKeyThatAnybodyMayRead) {
  const std::string path = ::testing::TempDir() + "/open.key";
  std::ofstream(path) << key_;
  chmod(path.c_str(), 0640);
  EXPECT_FALSE(AnybodyMayRead(path));
  chmod(path.c_str(), 0644);
  EXPECT_TRUE(AnybodyMayRead(path));
  EXPECT_FALSE(AnybodyMayRead("/nonexistent/tls.key"));
}

// The text that a message must not repeat is a line of the key.
TEST_F(KeyPairTest, NoMessageHasAnythingOfTheKeyAndNoBytesStopTheLoader) {
  std::mt19937 random(20240301);
  const std::string secret = std::string(absl::StripAsciiWhitespace(key_.substr(30, 40)));
  int refused = 0;
  for (int round = 0; round < 1000; ++round) {
    std::string certificate = leaf_ + ca_;
    std::string key = key_;
    for (std::string* text : {&certificate, &key}) {
      for (uint32_t i = random() % 4; i > 0; --i) {
        const size_t at = random() % text->size();
        if (random() % 2 == 0) text->erase(at, random() % 50);
        text->insert(std::min(at, text->size()), 1, static_cast<char>(random()));
      }
    }
    const auto pair = Parse(certificate, key);
    if (pair.ok()) continue;
    ++refused;
    EXPECT_FALSE(absl::StrContains(pair.status().message(), secret)) << pair.status();
    EXPECT_TRUE(absl::StartsWith(pair.status().message(), "tls.")) << pair.status();
  }
  EXPECT_GT(refused, 100);
}

TEST_F(KeyPairTest, RefusesACurveThatClientsDoNotKnow) {
  bssl::UniquePtr<EC_KEY> ec(EC_KEY_new_by_curve_name(NID_secp224r1));
  EC_KEY_generate_key(ec.get());
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  EVP_PKEY_set1_EC_KEY(key.get(), ec.get());
  ExpectRefused(
      leaf_, KeyPem(key.get()),
      "tls.key:1: is an EC key on the curve P-224, which is not supported; use RSA, or ECDSA "
      "with P-256, P-384 or P-521: openssl genpkey -algorithm EC -pkeyopt "
      "ec_paramgen_curve:P-256 -out NEW, and a certificate for it");
}

TEST_F(KeyPairTest, RefusesAFileThatIsTooLargeToBePem) {
  const std::string path = ::testing::TempDir() + "/large.pem";
  std::ofstream(path) << std::string(5'000'000, 'x');
  EXPECT_EQ(std::string(LoadKeyPair(path, path, now_).status().message()),
            path + ": is larger than 4194304 bytes; is it a PEM file?");
}

}  // namespace
}  // namespace tlsbridge::tls
