// What files of certificates, CRLs and keys may look like, and what is said of those that may not.

#include "tls/certificates/pem.h"

#include <openssl/bytestring.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/pkcs7.h>
#include <openssl/pkcs8.h>
#include <openssl/x509.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"
#include "tests/tls/test_certificates.h"
#include "tls/certificates/pem_objects.h"

namespace tlsbridge::tls {
namespace {

using ::tlsbridge::testing::MakeCertificate;
using ::tlsbridge::testing::TestCertificate;

constexpr char kMark[] = "\xef\xbb\xbf";

std::string Taken(CBB* cbb) {
  uint8_t* data = nullptr;
  size_t length = 0;
  EXPECT_EQ(CBB_finish(cbb, &data, &length), 1);
  const bssl::UniquePtr<uint8_t> owned(data);
  return std::string(reinterpret_cast<char*>(data), length);
}

std::string Armoured(const std::string& label, const std::string& der) {
  return absl::StrCat("-----BEGIN ", label, "-----\n", absl::Base64Escape(der), "\n-----END ",
                      label, "-----\n");
}

// A PKCS #8 structure around nothing.
std::string Pkcs8Of(const std::string& algorithm, const std::string& curve = "") {
  bssl::ScopedCBB cbb;
  CBB outer;
  CBB id;
  CBB oid;
  CBB_init(cbb.get(), 64);
  CBB_add_asn1(cbb.get(), &outer, CBS_ASN1_SEQUENCE);
  CBB_add_asn1_uint64(&outer, 0);
  CBB_add_asn1(&outer, &id, CBS_ASN1_SEQUENCE);
  for (const std::string& text : {algorithm, curve}) {
    if (text.empty()) continue;
    CBB_add_asn1(&id, &oid, CBS_ASN1_OBJECT);
    CBB_add_asn1_oid_from_text(&oid, text.data(), text.size());
    CBB_flush(&id);
  }
  CBB_add_asn1_octet_string(&outer, reinterpret_cast<const uint8_t*>("x"), 1);
  return Taken(cbb.get());
}

class PemTest : public ::testing::Test {
 protected:
  // How many certificates are in it; what is wrong with it otherwise.
  static std::string Certificates(const std::string& text) {
    const auto parsed = ParseCertificates(text, "ca.crt");
    return parsed.ok() ? absl::StrCat(parsed->size()) : std::string(parsed.status().message());
  }
  static std::string Key(const std::string& text) {
    const auto parsed = ParsePrivateKey(text, "tls.key");
    return parsed.ok() ? "" : std::string(parsed.status().message());
  }

  const TestCertificate first_ = MakeCertificate({.common_name = "first", .ca = true}, nullptr);
  const TestCertificate second_ = MakeCertificate({.common_name = "second", .ca = true}, nullptr);
  const std::string a_ = first_.CertificatePem();
  const std::string b_ = second_.CertificatePem();
};

TEST_F(PemTest, HoweverItIsWrittenEveryBlockCounts) {
  const std::string two = a_ + b_;
  const std::string lines = absl::StrReplaceAll(two, {{"\n", "\r\n"}});
  const struct {
    const char* how;
    std::string text;
  } kTexts[] = {
      {"plainly", two},
      {"with a byte order mark", kMark + two},
      {"with two of them", kMark + a_ + kMark + b_},
      {"with CR LF", lines},
      {"with CR", absl::StrReplaceAll(two, {{"\n", "\r"}})},
      {"indented", "  " + absl::StrReplaceAll(two, {{"\n", "\n  "}})},
      {"with tabs behind", absl::StrReplaceAll(two, {{"\n", "\t\n"}})},
      {"with empty lines", "\n\n" + absl::StrReplaceAll(two, {{"\n", "\n\n"}})},
      {"with text between",
       "# the first -- of two --\n" + a_ + "subject=CN = vendor\n" + b_ + "end\n"},
      {"without a last line end", two.substr(0, two.size() - 1)},
      {"with a key between", a_ + first_.KeyPem() + b_},
      {"with parameters", Armoured("EC PARAMETERS", "x") + two},
      {"by its old name", absl::StrReplaceAll(two, {{" CERTIFICATE", " X509 CERTIFICATE"}})},
  };
  for (const auto& c : kTexts) EXPECT_EQ(Certificates(c.text), "2") << c.how;
}

TEST_F(PemTest, WhatLooksLikeABlockAndIsNoneIsRefusedWithItsLine) {
  const auto in_second = [this](absl::string_view from, absl::string_view to) {
    return a_ + absl::StrReplaceAll(b_, {{from, to}});
  };
  const std::string no_break = a_.substr(0, a_.size() - 1);
  const auto at = std::count(a_.begin(), a_.end(), '\n') + 1;
  const auto last = at + std::count(b_.begin(), b_.end(), '\n') - 1;
  const struct {
    const char* what;
    std::string text;
    long line;
  } kTexts[] = {
      {"four dashes", in_second("-----BEGIN", "----BEGIN"), at},
      {"lower case", in_second("-----BEGIN CERTIFICATE", "-----begin certificate"), at},
      {"long dashes", in_second("-----BEGIN", "\xe2\x80\x93\xe2\x80\x93 BEGIN"), at},
      {"commented out", in_second("-----BEGIN", "#-----BEGIN"), at},
      {"text in front", in_second("-----BEGIN", "x-----BEGIN"), at},
      {"text behind", in_second("CERTIFICATE-----\nM", "CERTIFICATE----- x\nM"), at},
      {"no line break between", no_break + b_, at - 1},
      {"no END", a_ + b_.substr(0, b_.size() / 2), at},
      {"no END, and another", a_.substr(0, a_.find("-----END")) + b_, at - 1},
      {"another END", in_second("-----END CERTIFICATE", "-----END X509 CRL"), last},
      {"no BEGIN", a_ + b_.substr(b_.find('\n') + 1), last - 1},
      {"not base64", in_second("-----\nM", "-----\n!"), at},
      {"cut short", in_second("-----\nM", "-----\n"), at},
      {"a letter too much", in_second("-----\nM", "-----\nMMMMM"), at},
      {"a certificate that is none", a_ + Armoured("CERTIFICATE", "hello"), at},
      {"more behind it", a_ + Armoured("CERTIFICATE", "0"), at},
      {"unknown", a_ + Armoured("SOMETHING", "x"), at},
      {"PKCS #7", a_ + Armoured("PKCS7", "x"), at},
      {"OpenSSL's trust", a_ + Armoured("TRUSTED CERTIFICATE", "x"), at},
      {"a request", a_ + Armoured("CERTIFICATE REQUEST", "x"), at},
      {"a CRL", a_ + first_.CrlPem({}), at},
  };
  for (const auto& c : kTexts) {
    const std::string message = Certificates(c.text);
    EXPECT_TRUE(absl::StartsWith(message, absl::StrCat("ca.crt:", c.line, ": ")))
        << c.what << ": " << message;
    const auto crls = ParseCrls(first_.CrlPem({}) + c.text, "ca.crl");
    const bool is_fine =
        absl::string_view(c.what) == "a CRL" || absl::StartsWith(c.what, "a certificate that") ||
        absl::StartsWith(c.what, "more behind") || absl::StrContains(c.what, "too much") ||
        absl::StrContains(c.what, "cut short");
    EXPECT_TRUE(is_fine || !crls.ok()) << c.what;
    const std::string key = Key(first_.KeyPem() + c.text);
    EXPECT_TRUE(is_fine || !key.empty()) << c.what;
  }
}

TEST_F(PemTest, WhatIsNoPemIsNamedWithTheCommandThatConvertsIt) {
  uint8_t* data = nullptr;
  const int length = i2d_X509(first_.certificate.get(), &data);
  const std::string der(reinterpret_cast<char*>(data), static_cast<size_t>(length));
  OPENSSL_free(data);
  bssl::ScopedCBB pkcs7;
  bssl::UniquePtr<STACK_OF(X509)> stack(sk_X509_new_null());
  bssl::PushToStack(stack.get(), bssl::UpRef(first_.certificate));
  CBB_init(pkcs7.get(), 1024);
  PKCS7_bundle_certificates(pkcs7.get(), stack.get());
  bssl::UniquePtr<PKCS12> pkcs12(PKCS12_create("secret", nullptr, first_.key.get(),
                                               first_.certificate.get(), nullptr, 0, 0, 1, 1, 0));
  uint8_t* bytes = nullptr;
  const int size = i2d_PKCS12(pkcs12.get(), &bytes);
  const std::string p12(reinterpret_cast<char*>(bytes), static_cast<size_t>(size));
  OPENSSL_free(bytes);
  bssl::ScopedCBB key_der;
  CBB_init(key_der.get(), 1024);
  EVP_marshal_private_key(key_der.get(), first_.key.get());
  std::string utf16 = "\xff\xfe";
  for (const char c : a_) utf16 += std::string{c, '\0'};
  const struct {
    std::string text;
    const char* is;
    const char* command;
  } kTexts[] = {
      {der, "is a certificate in DER", "openssl x509 -inform DER -in ca.crt"},
      {Taken(pkcs7.get()), "is PKCS #7", "openssl pkcs7 -inform DER -print_certs -in ca.crt"},
      {p12, "is PKCS #12", "openssl pkcs12 -in ca.crt -nodes"},
      {Taken(key_der.get()), "is a private key in DER", "openssl pkey -inform DER -in ca.crt"},
      {utf16, "UTF-16", "iconv -f UTF-16 -t UTF-8 ca.crt"},
      {utf16.substr(2), "UTF-16", "iconv"},
      {"\xfe\xed\xfe\xed", "is a Java key store", "keytool"},
      {absl::Base64Escape(der), "is base64 without the lines", "-----BEGIN"},
      {std::string("\x01\x00\x02", 3), "is binary", ""},
      {"", "holds no PEM certificate", "BEGIN CERTIFICATE"},
  };
  for (const auto& c : kTexts) {
    const std::string message = Certificates(c.text);
    EXPECT_TRUE(absl::StrContains(message, c.is)) << message;
    EXPECT_TRUE(absl::StrContains(message, c.command)) << message;
  }
}

TEST_F(PemTest, KeysThatCannotBeServedAreNamed) {
  const char kEc[] = "1.2.840.10045.2.1";
  const struct {
    std::string text;
    const char* is;
  } kTexts[] = {
      {Armoured("PRIVATE KEY", Pkcs8Of("1.2.840.113549.1.1.10")), "an RSA-PSS key"},
      {Armoured("PRIVATE KEY", Pkcs8Of(kEc, "1.3.132.0.10")), "the curve secp256k1"},
      {Armoured("PRIVATE KEY", Pkcs8Of(kEc, "1.3.36.3.3.2.8.1.1.7")), "the curve brainpoolP256r1"},
      {Armoured("PRIVATE KEY", Pkcs8Of(kEc, "1.2.3.4")), "the curve 1.2.3.4"},
      {Armoured("PRIVATE KEY", Pkcs8Of("1.3.101.113")), "an Ed448 key"},
      {MakeCertificate({.ed25519 = true}, nullptr).KeyPem(), "an Ed25519 key"},
      {MakeCertificate({.curve = NID_secp224r1}, nullptr).KeyPem(), "the curve P-224"},
      {Armoured("ENCRYPTED PRIVATE KEY", "x"), "openssl pkey -in tls.key -out NEW"},
      {"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n"
       "-----END RSA PRIVATE KEY-----\n",
       "is encrypted"},
      {Armoured("OPENSSH PRIVATE KEY", "x"), "ssh-keygen -p -m PEM -f tls.key"},
      {Armoured("DSA PRIVATE KEY", "x"), "a DSA key"},
      {first_.KeyPem() + second_.KeyPem(), "a second private key"},
      {first_.KeyPem() + "-----BEGIN PRIVATE KEY----\n", "looks like a malformed PEM boundary"},
      {a_, "holds no PEM private key"},
  };
  for (const auto& c : kTexts) {
    EXPECT_TRUE(absl::StrContains(Key(c.text), c.is)) << c.is << ": " << Key(c.text);
  }
  EXPECT_EQ(Key(kMark + a_ + first_.KeyPem() + b_), "");
}

}  // namespace
}  // namespace tlsbridge::tls
