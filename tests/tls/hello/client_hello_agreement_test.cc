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
#include "tls/client_session.h"
#include "tls/hello/client_hello_reader.h"

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

TEST(ClientHelloAgreement, AHelloBlownUpByItsRecordsIsGivenOnAsOneThatBoringSslAnswers) {
  const auto context = DevelopmentContext();
  const std::string hello = Hello(TLS1_3_VERSION);
  const std::string inflated = Inflated(hello);
  ClientHelloReader reader;
  Result result = Result::kNeedMore;
  for (size_t at = 0; at < inflated.size() && result == Result::kNeedMore; at += 1000) {
    result = reader.Feed(Bytes(inflated).subspan(at, 1000));
  }
  ASSERT_EQ(result, Result::kWhole);
  EXPECT_EQ(std::string(reader.raw().begin(), reader.raw().end()), hello);
  Staging staging;
  const auto session = ClientSession::Accept(*context, &staging);
  session->Receive(reader.raw());
  ASSERT_FALSE(staging.output().empty());
  EXPECT_EQ(staging.output()[0], SSL3_RT_HANDSHAKE);
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
    const auto session = ClientSession::Accept(**context, &staging);
    session->Receive(bytes);
    const bool server_hello = !staging.output().empty() && staging.output()[0] == SSL3_RT_HANDSHAKE;
    staging.ClearOutput();
    answered += server_hello ? 1 : 0;
    refused += result == Result::kNotHello ? 1 : 0;
    // Of status_request BoringSSL reads no more than the type.
    const bool stricter =
        result == Result::kNotHello &&
        absl::string_view(reader.refusal().failure.reason) == "malformed status_request";
    EXPECT_TRUE(!server_hello || result == Result::kWhole || stricter) << round;
    if (!server_hello || result != Result::kWhole) continue;
    EXPECT_EQ(LowerWithoutDot(session->server_name()), reader.hello().server_name) << round;
    EXPECT_EQ(std::string(session->alpn()).empty(), reader.hello().alpn.empty()) << round;
  }
  EXPECT_GT(answered, 300);
  EXPECT_GT(refused, 300);
}

}  // namespace
}  // namespace tlsbridge::tls
