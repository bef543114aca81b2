#include "tls/certificates/ocsp_response.h"

#include <openssl/bio.h>
#include <openssl/mem.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <fstream>
#include <map>
#include <random>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "tests/tls/test_ocsp.h"
#include "tls/certificates/asn1_time.h"
#include "tls/certificates/pem_file.h"

namespace tlsbridge::tls {
namespace {

class OcspResponseTest : public ::testing::Test {
 protected:
  // What the openssl tool made; see the file.
  OcspResponseTest() {
    const auto text = ReadPemFile("tests/tls/certificates/testdata/ocsp.pem");
    EXPECT_TRUE(text.ok()) << text.status();
    bssl::UniquePtr<BIO> bio(BIO_new_mem_buf(text->data(), static_cast<int>(text->size())));
    char* name;
    char* header;
    uint8_t* data;
    long length;
    while (PEM_read_bio(bio.get(), &name, &header, &data, &length) == 1) {
      if (std::string(name) == "CERTIFICATE") {
        const uint8_t* at = data;
        pair_.chain.emplace_back(d2i_X509(nullptr, &at, length));
      } else {
        der_[name] = std::string(reinterpret_cast<char*>(data), static_cast<size_t>(length));
      }
      OPENSSL_free(name);
      OPENSSL_free(header);
      OPENSSL_free(data);
    }
    pair_.name = "tls.crt";
  }

  absl::StatusOr<OcspResponse> Parse(const std::string& der) {
    return ParseOcspResponse(der, "tls.ocsp", pair_);
  }
  void ExpectRefused(const std::string& der, const std::string& message) {
    EXPECT_EQ(std::string(Parse(der).status().message()), message);
  }

  KeyPair pair_;
  std::map<std::string, std::string> der_;
};

TEST_F(OcspResponseTest, TakesAGoodOneWithItsTimes) {
  const auto response = Parse(der_["OCSP GOOD"]);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->der, der_["OCSP GOOD"]);
  EXPECT_EQ(FormatUtc(response->this_update), "2026-11-24 15:15:48 UTC");
  EXPECT_EQ(FormatUtc(response->next_update), "2026-12-24 15:15:48 UTC");
}

TEST_F(OcspResponseTest, WithoutNextUpdateItNeverExpires) {
  const auto response = Parse(der_["OCSP NO NEXT"]);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->next_update, absl::InfiniteFuture());
}

TEST_F(OcspResponseTest, FindsTheLeafAmongOthersWithSha256AndResponderByKey) {
  const auto response = Parse(der_["OCSP TWO"]);
  EXPECT_TRUE(response.ok()) << response.status();
}

TEST_F(OcspResponseTest, RefusesWhatClientsWouldRefuse) {
  ExpectRefused(der_["OCSP REVOKED"], "tls.ocsp: says that tls.crt is revoked");
  ExpectRefused(der_["OCSP UNKNOWN"], "tls.ocsp: says that the status of tls.crt is unknown");
  ExpectRefused(der_["OCSP OTHER"], "tls.ocsp: is not for the certificate in tls.crt");
  ExpectRefused(der_["OCSP UNAUTHORIZED"],
                "tls.ocsp: the OCSP responder's answer is an error: unauthorized");
}

TEST_F(OcspResponseTest, RefusesTheSameSerialNumberOfAnotherIssuer) {
  std::string der = der_["OCSP GOOD"];
  // The name's hash is the first OCTET STRING of a SHA-1's size.
  const size_t at = der.find(std::string("\x04\x14", 2));
  ASSERT_NE(at, std::string::npos);
  // There is one before it if the responder is named by key; this one is named by name.
  der[at + 2] = static_cast<char>(der[at + 2] ^ 1);
  ExpectRefused(der, "tls.ocsp: is not for the certificate in tls.crt");
}

TEST_F(OcspResponseTest, RefusesWhatIsNoOcspResponse) {
  ExpectRefused("", "tls.ocsp: is not an OCSP response in DER");
  ExpectRefused("-----BEGIN", "tls.ocsp: is not an OCSP response in DER");
  ExpectRefused(der_["OCSP GOOD"] + "x", "tls.ocsp: is not an OCSP response in DER");
  ExpectRefused(std::string("\x30\x03\x0a\x01\x00", 5),
                "tls.ocsp: cannot be parsed as a basic OCSP response");
}

TEST_F(OcspResponseTest, EveryTruncationIsRefused) {
  const std::string& good = der_["OCSP GOOD"];
  for (size_t length = 0; length < good.size(); ++length) {
    EXPECT_FALSE(Parse(good.substr(0, length)).ok()) << length;
  }
}

TEST_F(OcspResponseTest, NoBytesStopIt) {
  std::mt19937 random(20240302);
  int refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string der = der_[round % 2 == 0 ? "OCSP GOOD" : "OCSP TWO"];
    for (uint32_t i = 1 + random() % 4; i > 0; --i) {
      der[random() % der.size()] = static_cast<char>(random());
    }
    const auto response = Parse(der);
    if (response.ok()) continue;
    ++refused;
    ASSERT_TRUE(absl::StartsWith(response.status().message(), "tls.ocsp: "));
  }
  EXPECT_GT(refused, 1000);
}

TEST_F(OcspResponseTest, TakesWhatTheTestsMake) {
  const absl::Time next_update = absl::FromUnixSeconds(1'800'000'000);
  pair_.chain.pop_back();
  const auto response = Parse(testing::MakeOcspResponse(pair_, next_update));
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->next_update, next_update);
}

TEST_F(OcspResponseTest, LoadsFromAFileAndNamesIt) {
  const std::string path = ::testing::TempDir() + "/leaf.ocsp";
  std::ofstream(path) << der_["OCSP GOOD"];
  EXPECT_TRUE(LoadOcspResponse(path, pair_).ok());
  EXPECT_EQ(
      std::string(LoadOcspResponse("/nonexistent", pair_).status().message()),
      "/nonexistent: cannot be read: No such file or directory; create it, or correct the path");
  std::ofstream(path) << std::string(100'000, 'x');
  EXPECT_EQ(std::string(LoadOcspResponse(path, pair_).status().message()),
            absl::StrCat(path, ": is larger than 65536 bytes; is it a DER file?"));
}

TEST(GeneralizedTime, IsParsedStrictly) {
  EXPECT_EQ(FormatUtc(ParseGeneralizedTime("20240229235959Z")), "2024-02-29 23:59:59 UTC");
  for (const char* bad : {"", "20230229000000Z", "20240229240000Z", "20240229235960Z",
                          "20240229235959", "20240229235959+0100", "2024022923595aZ",
                          "20241301000000Z", "20240100000000Z", "-0240101000000Z"}) {
    EXPECT_EQ(ParseGeneralizedTime(bad), absl::InfinitePast()) << bad;
  }
}

}  // namespace
}  // namespace tlsbridge::tls
