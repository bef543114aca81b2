// What the peek makes of a hello is what BoringSSL makes of it.

#include <openssl/ssl.h>

#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "tests/tls/memory_client.h"
#include "tls/certificates/development_ca.h"
#include "tls/hello/client_hello.h"
#include "tls/session.h"

namespace tlsbridge::tls {
namespace {

using ::tlsbridge::testing::MemoryClient;
using Result = ClientHelloReader::Result;

std::string Hello(uint16_t version) {
  MemoryClient client(version, [](SSL_CTX* ctx) {
    SSL_CTX_set_alpn_protos(ctx, reinterpret_cast<const uint8_t*>("\x02h2"), 3);
    SSL_CTX_enable_ocsp_stapling(ctx);
  });
  return client.TakeOutput();
}

std::string LowerWithoutDot(absl::string_view name) {
  std::string text = absl::AsciiStrToLower(name);
  if (!text.empty() && text.back() == '.') text.pop_back();
  return text;
}

// `hello`, of one record, in records of one byte with as many empty ones between them as BoringSSL
// puts up with.
std::string Inflated(const std::string& hello) {
  std::string text;
  for (const char c : hello.substr(SSL3_RT_HEADER_LENGTH)) {
    for (int i = 0; i < 32; ++i) text += std::string("\x16\x03\x01\x00\x00", 5);
    text += std::string("\x16\x03\x01\x00\x01", 5) + c;
  }
  return text;
}

std::unique_ptr<ServerContext> DevelopmentContext() {
  return *ServerContext::Create(MakeDevelopmentIdentity(absl::UnixEpoch())->localhost);
}

absl::Span<const uint8_t> Bytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

TEST(SessionReject, RefusesAHelloThatOnlyBoringSslReadsToItsEnd) {
  const auto context = DevelopmentContext();
  const std::string hello = Inflated(Hello(TLS1_3_VERSION));
  ClientHelloReader reader;
  Result result = Result::kNeedMore;
  for (size_t at = 0; at < hello.size() && result == Result::kNeedMore; at += 1000) {
    result = reader.Feed(Bytes(hello).subspan(at, 1000));
  }
  ASSERT_EQ(result, Result::kNotHello);
  Staging staging;
  const auto accepted = Session::Accept(*context, &staging);
  accepted->Receive(Bytes(hello));
  ASSERT_FALSE(staging.output().empty());
  ASSERT_EQ(staging.output()[0], SSL3_RT_HANDSHAKE) << "BoringSSL would go on";
  staging.ClearOutput();
  const auto rejected = Session::Reject(*context, &staging);
  EXPECT_EQ(rejected->Receive(Bytes(hello)).verdict, Verdict::kFailed);
  EXPECT_EQ(Describe(rejected->failure()), "protocol_error");
  ASSERT_EQ(staging.output().size(), 7u);
  EXPECT_EQ(staging.output()[6], SSL_AD_HANDSHAKE_FAILURE);
}

TEST(SessionReject, SaysWhatBoringSslFindsWrong) {
  const auto context = DevelopmentContext();
  Staging staging;
  const auto session = Session::Reject(*context, &staging);
  session->Receive(Bytes("GET / HTTP/1.1\r\n\r\n"));
  EXPECT_EQ(Describe(session->failure()), "plain_http");
}

TEST(ClientHelloAgreement, BoringSslAnswersNoHelloThatTheReaderRefusesAndSeesTheSameName) {
  ServerOptions options;
  Certificate certificate;
  certificate.pair = std::move(MakeDevelopmentIdentity(absl::UnixEpoch())->localhost);
  options.certificates.push_back(MakeCredential(certificate).value());
  options.alpn = {"h2"};
  const auto context = ServerContext::Create(options);
  ASSERT_TRUE(context.ok()) << context.status();
  Staging staging;
  std::mt19937 random(20240303);
  const std::vector<std::string> seeds = {Hello(TLS1_2_VERSION), Hello(TLS1_3_VERSION)};
  int answered = 0;
  int refused = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string text = seeds[random() % seeds.size()];
    // Where the structure is, mostly: a change of the key share or the random changes little.
    for (uint32_t i = random() % 3; i > 0; --i) {
      text[random() % text.size()] ^= static_cast<char>(1u << random() % 8);
    }
    const absl::Span<const uint8_t> bytes = Bytes(text);
    ClientHelloReader reader;
    const Result result = reader.Feed(bytes);
    const auto session = Session::Accept(**context, &staging);
    session->Receive(bytes);
    const bool server_hello = !staging.output().empty() && staging.output()[0] == SSL3_RT_HANDSHAKE;
    staging.ClearOutput();
    answered += server_hello ? 1 : 0;
    refused += result == Result::kNotHello ? 1 : 0;
    EXPECT_TRUE(!server_hello || result == Result::kWhole) << round;
    if (!server_hello || result != Result::kWhole) continue;
    EXPECT_EQ(LowerWithoutDot(session->server_name()), reader.hello().server_name) << round;
    EXPECT_EQ(std::string(session->alpn()).empty(), reader.hello().alpn.empty()) << round;
  }
  EXPECT_GT(answered, 300);
  EXPECT_GT(refused, 300);
}

}  // namespace
}  // namespace tlsbridge::tls
