// What a client is told whose hello is malformed, whoever finds it: the peek or BoringSSL. RFC 8446
// section 6.2: what cannot be parsed is a decode_error, what can be and is not allowed an
// illegal_parameter.

#include <openssl/ssl.h>

#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "tls/certificates/development_ca.h"
#include "tls/client_session.h"
#include "tls/hello/client_hello_reader.h"

namespace tlsbridge::tls {
namespace {

using Extension = std::pair<uint16_t, std::string>;

constexpr int kNoAlert = -1;

std::string Number(size_t value, int bytes) {
  std::string text;
  for (int i = bytes - 1; i >= 0; --i) text.push_back(static_cast<char>(value >> (8 * i)));
  return text;
}

std::string Prefixed(int bytes, const std::string& text) {
  return absl::StrCat(Number(text.size(), bytes), text);
}

std::string Handshake(uint8_t type, const std::string& body) {
  const std::string message = absl::StrCat(Number(type, 1), Prefixed(3, body));
  return absl::StrCat("\x16\x03\x01", Prefixed(2, message));
}

std::string Extensions(const std::vector<Extension>& extensions) {
  std::string text;
  for (const auto& [type, body] : extensions) {
    absl::StrAppend(&text, Number(type, 2), Prefixed(2, body));
  }
  return text;
}

// All of the body before the extensions.
std::string Start(const std::string& session_id = "", const std::string& ciphers = "") {
  const std::string suites("\x13\x01\xc0\x2b", 4);
  return absl::StrCat("\x03\x03", std::string(32, 'r'), Prefixed(1, session_id),
                      Prefixed(2, ciphers.empty() ? suites : ciphers),
                      Prefixed(1, std::string(1, '\0')));
}

std::string Hello(const std::vector<Extension>& extensions) {
  return Handshake(SSL3_MT_CLIENT_HELLO,
                   absl::StrCat(Start(), Prefixed(2, Extensions(extensions))));
}

// A hello that is answered, for version 1.2 or 1.3.
std::vector<Extension> Good(uint16_t version) {
  std::vector<Extension> extensions = {
      {TLSEXT_TYPE_server_name, Prefixed(2, absl::StrCat(Number(0, 1), Prefixed(2, "localhost")))},
      // In TLS 1.2 a certificate's curve must be among them, too (RFC 8422 section 5.1.1).
      {TLSEXT_TYPE_supported_groups,
       Prefixed(2, absl::StrCat(Number(SSL_GROUP_X25519, 2), Number(SSL_GROUP_SECP256R1, 2)))},
      {TLSEXT_TYPE_signature_algorithms, Prefixed(2, Number(SSL_SIGN_ECDSA_SECP256R1_SHA256, 2))},
      {TLSEXT_TYPE_application_layer_protocol_negotiation, Prefixed(2, Prefixed(1, "h2"))},
      {TLSEXT_TYPE_status_request, std::string("\x01\0\0\0\0", 5)},
      {TLSEXT_TYPE_supported_versions, Prefixed(1, Number(version, 2))},
      {TLSEXT_TYPE_certificate_timestamp, ""},
  };
  if (version == TLS1_2_VERSION) {  // TLS 1.3 has no use for them, and so they are not read
    extensions.push_back({TLSEXT_TYPE_extended_master_secret, ""});
    extensions.push_back({TLSEXT_TYPE_ec_point_formats, Prefixed(1, std::string(1, '\0'))});
    extensions.push_back({TLSEXT_TYPE_renegotiate, Prefixed(1, "")});
  } else {
    const std::string key =
        absl::StrCat(Number(SSL_GROUP_X25519, 2), Prefixed(2, std::string(32, 9)));
    extensions.push_back({TLSEXT_TYPE_key_share, Prefixed(2, key)});
    extensions.push_back({TLSEXT_TYPE_psk_key_exchange_modes, Prefixed(1, Number(1, 1))});
  }
  return extensions;
}

struct Told {
  int alert = kNoAlert;
  std::string detail;
  std::string reason;
};

std::ostream& operator<<(std::ostream& out, const Told& told) {
  return out << told.alert << " " << told.detail << " (" << told.reason << ")";
}

absl::Span<const uint8_t> Bytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// As a connection does it: who is refused by the peek never has a session.
Told Tell(const std::string& bytes) {
  static const ServerContext* const context = [] {
    ServerOptions options;
    Certificate certificate;
    certificate.pair = std::move(MakeDevelopmentIdentity(absl::UnixEpoch())->localhost);
    options.certificates.push_back(MakeCredential(certificate).value());
    options.alpn = {"h2"};
    return ServerContext::Create(options)->release();
  }();
  ClientHelloReader reader;
  switch (reader.Feed(Bytes(bytes))) {
    case ClientHelloReader::Result::kNeedMore:
      return {kNoAlert, "needs more", ""};
    case ClientHelloReader::Result::kNotHello:
      return {reader.refusal().alert, Describe(reader.refusal().failure),
              reader.refusal().failure.reason};
    case ClientHelloReader::Result::kWhole:
      break;
  }
  Staging staging;
  const auto session = ClientSession::Accept(*context, &staging);
  session->Receive(reader.raw());
  const absl::Span<const uint8_t> output = staging.output();
  if (output.size() == 7 && output[0] == SSL3_RT_ALERT) {
    return {output[6], Describe(session->failure()), session->failure().reason};
  }
  return {kNoAlert, Describe(session->failure()), ""};
}

class MalformedHelloTest : public ::testing::TestWithParam<uint16_t> {
 protected:
  std::vector<Extension> With(uint16_t type, const std::string& body) const {
    std::vector<Extension> extensions = Good(GetParam());
    for (Extension& extension : extensions) {
      if (extension.first == type) extension.second = body;
    }
    return extensions;
  }
  bool tls13() const { return GetParam() == TLS1_3_VERSION; }
};

INSTANTIATE_TEST_SUITE_P(Versions, MalformedHelloTest,
                         ::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION), [](const auto& info) {
                           return info.param == TLS1_2_VERSION ? "Tls12" : "Tls13";
                         });

TEST_P(MalformedHelloTest, TheGoodOneIsAnswered) {
  const Told told = Tell(Hello(Good(GetParam())));
  EXPECT_EQ(told.alert, kNoAlert) << told;
  EXPECT_EQ(told.detail, "none");
}

TEST_P(MalformedHelloTest, AnExtensionThatIsCutShortOrTooLongIsADecodeErrorOfTheClients) {
  for (const auto& [type, body] : Good(GetParam())) {
    std::vector<std::string> bodies = {absl::StrCat(body, std::string(1, '\0'))};
    if (!body.empty()) bodies.push_back(body.substr(0, body.size() - 1));
    if (!body.empty()) bodies.push_back("");
    for (const std::string& malformed : bodies) {
      const Told told = Tell(Hello(With(type, malformed)));
      EXPECT_EQ(told.alert, SSL_AD_DECODE_ERROR)
          << "extension " << type << " of " << malformed.size() << " bytes: " << told;
      EXPECT_EQ(told.detail, "protocol_error") << "extension " << type;
      EXPECT_NE(told.reason, "") << "extension " << type;
    }
  }
}

TEST_P(MalformedHelloTest, AListWithoutMembersIsADecodeError) {
  for (const uint16_t type :
       {TLSEXT_TYPE_server_name, TLSEXT_TYPE_supported_groups, TLSEXT_TYPE_signature_algorithms,
        TLSEXT_TYPE_application_layer_protocol_negotiation}) {
    const Told told = Tell(Hello(With(type, Prefixed(2, ""))));
    EXPECT_EQ(told.alert, SSL_AD_DECODE_ERROR) << "extension " << type << ": " << told;
  }
  const Told told = Tell(Hello(With(TLSEXT_TYPE_supported_versions, Prefixed(1, ""))));
  EXPECT_EQ(told.alert, SSL_AD_DECODE_ERROR) << told;
}

TEST_P(MalformedHelloTest, AnExtensionThatComesTwiceIsAnIllegalParameter) {
  for (const Extension& extension : Good(GetParam())) {
    std::vector<Extension> extensions = Good(GetParam());
    extensions.push_back(extension);
    const Told told = Tell(Hello(extensions));
    EXPECT_EQ(told.alert, SSL_AD_ILLEGAL_PARAMETER) << "extension " << extension.first;
    EXPECT_EQ(told.detail, "protocol_error");
  }
}

TEST_P(MalformedHelloTest, ANameThatNoHostHasIsTheClientsFault) {
  const auto name = [this](uint8_t type, const std::string& text) {
    return Tell(Hello(With(TLSEXT_TYPE_server_name,
                           Prefixed(2, absl::StrCat(Number(type, 1), Prefixed(2, text))))));
  };
  EXPECT_EQ(name(0, "").alert, SSL_AD_DECODE_ERROR);
  EXPECT_EQ(name(7, "localhost").alert, SSL_AD_DECODE_ERROR) << "of an unknown type";
  EXPECT_EQ(name(0, std::string("local\0host", 10)).alert, SSL_AD_ILLEGAL_PARAMETER);
  EXPECT_EQ(name(0, std::string(256, 'a')).alert, SSL_AD_ILLEGAL_PARAMETER);
  const std::string one = absl::StrCat(Number(0, 1), Prefixed(2, "localhost"));
  const Told two = Tell(Hello(With(TLSEXT_TYPE_server_name, Prefixed(2, absl::StrCat(one, one)))));
  EXPECT_EQ(two.alert, SSL_AD_ILLEGAL_PARAMETER) << "RFC 6066 section 3";
  EXPECT_EQ(two.detail, "protocol_error");
  EXPECT_EQ(two.reason, "malformed server_name");
}

TEST_P(MalformedHelloTest, WhatIsAroundTheExtensionsIsParsedAsWell) {
  const std::string extensions = Extensions(Good(GetParam()));
  const std::vector<std::string> bodies = {
      "",
      "\x03\x03",
      Start().substr(0, 34),
      Start().substr(0, Start().size() - 1),
      absl::StrCat(Start(std::string(33, 's')), Prefixed(2, extensions)),        // session id
      absl::StrCat(Start("", std::string(3, '\x13')), Prefixed(2, extensions)),  // half a cipher
      absl::StrCat(Start(), Prefixed(2, extensions), "x"),
      absl::StrCat(Start(), Prefixed(2, extensions.substr(0, extensions.size() - 1))),
      absl::StrCat(Start(), Number(extensions.size() + 1, 2), extensions),
  };
  for (const std::string& body : bodies) {
    const Told told = Tell(Handshake(SSL3_MT_CLIENT_HELLO, body));
    EXPECT_EQ(told.alert, SSL_AD_DECODE_ERROR) << body.size() << " bytes: " << told;
    EXPECT_EQ(told.detail, "protocol_error");
  }
}

TEST(StrangerTest, IsToldWhatFits) {
  const struct {
    std::string bytes;
    int alert;
    std::string detail;
  } cases[] = {
      {"GET / HTTP/1.1\r\n", 0, "plain_http"},
      {"CONNECT a:1 HTTP/1.1\r\n", 0, "plain_http"},
      {"PRI * HTTP/2.0\r\n", 0, "plain_http"},
      {"GE", kNoAlert, "needs more"},
      {"GEX", SSL_AD_PROTOCOL_VERSION, "not_tls"},
      {"SSH-2.0-x\r\n", SSL_AD_PROTOCOL_VERSION, "not_tls"},
      {std::string("\x80\x2e\x01\x03\x01", 5), SSL_AD_PROTOCOL_VERSION, "no_shared_version"},
      {std::string("\x80\x2e\x01\x00\x02", 5), SSL_AD_PROTOCOL_VERSION, "no_shared_version"},
      {"\xff\xff\xff\xff", SSL_AD_PROTOCOL_VERSION, "not_tls"},
      {std::string("\x15\x03\x01\0\x02\x02\x30", 7), 0, "client_alert:unknown_ca"},
      {std::string("\x15\x03\x01\0\x02\x01\0", 7), 0, "client_gone"},
      {std::string("\x15\x03\x01\0\x03", 5), SSL_AD_DECODE_ERROR, "protocol_error"},
      {std::string("\x17\x03\x03\0\x01x", 6), SSL_AD_UNEXPECTED_MESSAGE, "protocol_error"},
      {std::string("\x14\x03\x03\0\x01\x01", 6), SSL_AD_UNEXPECTED_MESSAGE, "protocol_error"},
      {std::string("\x16\x02\0\0\0", 5), SSL_AD_PROTOCOL_VERSION, "not_tls"},
      {Handshake(SSL3_MT_SERVER_HELLO, "x"), SSL_AD_UNEXPECTED_MESSAGE, "protocol_error"},
      {std::string("\x16\x03\x01\x40\x01", 5), SSL_AD_RECORD_OVERFLOW, "bad_record"},
      {std::string("\x16\x03\x01\0\x05\x01\0\xff\xff\xff", 10), SSL_AD_ILLEGAL_PARAMETER,
       "protocol_error"},
  };
  for (const auto& one : cases) {
    const Told told = Tell(one.bytes);
    EXPECT_EQ(told.alert, one.alert) << told;
    EXPECT_EQ(told.detail, one.detail) << told;
  }
}

TEST(MessageBehindTheHelloTest, InTheSameRecordIsUnexpected) {
  std::string bytes = Hello(Good(TLS1_3_VERSION));
  bytes += "x";
  const size_t length = bytes.size() - SSL3_RT_HEADER_LENGTH;
  bytes.replace(3, 2, Number(length, 2));
  const Told told = Tell(bytes);
  EXPECT_EQ(told.alert, SSL_AD_UNEXPECTED_MESSAGE) << told;
}

}  // namespace
}  // namespace tlsbridge::tls
