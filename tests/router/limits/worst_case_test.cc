// What a connection can be made to hold, measured, against what the budget counts for it.

#include <malloc.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "router/connections/greeting.h"
#include "router/limits/budget.h"
#include "tests/tls/memory_client.h"
#include "tls/certificates/certificate_uses.h"
#include "tls/certificates/development_ca.h"
#include "tls/client_session.h"
#include "tls/server_context.h"
#include "tls/trust/client_verifier.h"

namespace tlsbridge {
namespace {

using ::tlsbridge::testing::MemoryClient;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kMeasures = false;  // their allocators tell nothing
#else
constexpr bool kMeasures = true;
#endif

// So that what the allocator keeps for itself counts little.
constexpr size_t kMany = 64;
constexpr size_t kLongestMessage = 16388;

absl::Span<const uint8_t> Bytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

const tls::ServerContext& Context() {
  static const auto* const context = [] {
    auto identity = tls::MakeDevelopmentIdentity(absl::UnixEpoch());
    return tls::ServerContext::Create(identity->localhost)->release();
  }();
  return *context;
}

size_t HeapBytes() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

// What each of many objects holds that `make` returns.
template <typename Make>
int64_t BytesOfEach(const Make& make) {
  auto first = make();  // what is made once, is made
  std::vector<decltype(make())> made;
  made.reserve(kMany);
  const size_t before = HeapBytes();
  for (size_t i = 0; i < kMany; ++i) made.push_back(make());
  return static_cast<int64_t>((HeapBytes() - before) / kMany);
}

// A hello of `version` that is `bytes` long and can be answered: most of it are names of protocols.
std::string LongHello(uint16_t version, size_t bytes) {
  std::string hello;
  size_t names = 0;
  const auto make = [&] {
    MemoryClient client(version, [&](SSL_CTX* ctx) {
      std::string wire;
      for (size_t i = 0; i + 1 < names; i += 2) wire += "\x01\x61";
      SSL_CTX_set_alpn_protos(ctx, reinterpret_cast<const uint8_t*>(wire.data()),
                              static_cast<unsigned>(wire.size()));
    });
    return client.TakeOutput();
  };
  names = bytes - make().size() - 16;
  return make();
}

// The message of `hello`, which is one record, in records of `size` bytes.
std::string CutUp(const std::string& hello, size_t size) {
  const std::string message = hello.substr(5);
  std::string records;
  for (size_t at = 0; at < message.size(); at += size) {
    const std::string fragment = message.substr(at, size);
    absl::StrAppend(&records, std::string("\x16\x03\x01", 3),
                    std::string(1, static_cast<char>(fragment.size() >> 8)),
                    std::string(1, static_cast<char>(fragment.size())), fragment);
  }
  return records;
}

class WorstCaseTest : public ::testing::TestWithParam<uint16_t> {
 protected:
  void SetUp() override {
    if (!kMeasures) GTEST_SKIP() << "nothing can be measured with this allocator";
  }
  static std::unique_ptr<tls::ClientSession> Answered(tls::Staging* staging,
                                                      const std::string& hello) {
    auto session = tls::ClientSession::Accept(Context(), staging);
    session->Receive(Bytes(hello));
    EXPECT_GT(staging->output().size(), 7u) << "it was refused";
    staging->ClearOutput();
    return session;
  }

  tls::Staging staging_;
};

INSTANTIATE_TEST_SUITE_P(Versions, WorstCaseTest, ::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& info) {
                           return info.param == TLS1_2_VERSION ? "Tls12" : "Tls13";
                         });

TEST_P(WorstCaseTest, AHelloThatNeverEnds) {
  const std::string hello = LongHello(GetParam(), kLongestMessage);
  for (const size_t size : {size_t{1}, size_t{100}, size_t{16384}}) {
    const std::string records = CutUp(hello, size);
    const std::string part = records.substr(0, records.size() - 1);
    for (const size_t piece : {size_t{100}, size_t{4096}, part.size()}) {
      const int64_t each = BytesOfEach([&] {
        auto greeting = std::make_unique<Greeting>(/*expects_proxy_header=*/false);
        for (size_t at = 0; at < part.size(); at += piece) {
          EXPECT_EQ(greeting->Feed(Bytes(part).subspan(at, piece)), Greeting::Result::kNeedMore);
        }
        return greeting;
      });
      EXPECT_LE(each, kGreetingBytes) << "records of " << size << ", pieces of " << piece;
    }
  }
}

TEST_P(WorstCaseTest, AGreetingWhoseBytesAreTakenKeepsWhatTheLogShows) {
  const std::string hello = LongHello(GetParam(), kLongestMessage);
  const int64_t each = BytesOfEach([&] {
    auto greeting = std::make_unique<Greeting>(/*expects_proxy_header=*/false);
    EXPECT_EQ(greeting->Feed(Bytes(hello)), Greeting::Result::kWhole);
    greeting->ReleaseBytes();
    return greeting;
  });
  EXPECT_LE(each, 1280);
}

TEST_P(WorstCaseTest, AHandshakeThatStopsAfterTheHello) {
  const std::string hello = LongHello(GetParam(), kLongestMessage);
  const int64_t each = BytesOfEach([&] { return Answered(&staging_, hello); });
  RecordProperty("bytes", static_cast<int>(each));
  EXPECT_LE(each, kHandshakeBytes);
}

TEST_P(WorstCaseTest, AHandshakeThatStopsInsideALongRecord) {
  const std::string hello = LongHello(GetParam(), kLongestMessage);
  const uint8_t type = GetParam() == TLS1_3_VERSION ? 0x17 : 0x16;
  const std::string part = absl::StrCat(std::string(1, static_cast<char>(type)), "\x03\x03\x40",
                                        std::string(1, '\0'), std::string(16383, 'x'));
  const int64_t each = BytesOfEach([&] {
    auto session = Answered(&staging_, hello);
    EXPECT_EQ(session->Receive(Bytes(part)).verdict, tls::Verdict::kWantRead);
    return session;
  });
  RecordProperty("bytes", static_cast<int>(each));
  EXPECT_LE(each, kHandshakeBytes);
}

// A message that cannot be answered before its last byte: a second hello (TLS 1.3, after a
// HelloRetryRequest).
TEST_P(WorstCaseTest, AHandshakeThatStopsInsideASecondHello) {
  if (GetParam() != TLS1_3_VERSION) GTEST_SKIP() << "only TLS 1.3 asks for a second hello";
  const int64_t each = BytesOfEach([&] {
    MemoryClient client(GetParam(),
                        [](SSL_CTX* ctx) { SSL_CTX_set1_groups_list(ctx, "P-521:X25519"); });
    auto session = Answered(&staging_, client.TakeOutput());
    const std::string second = CutUp(LongHello(GetParam(), kLongestMessage), 100);
    EXPECT_EQ(session->Receive(Bytes(second.substr(0, second.size() - 1))).verdict,
              tls::Verdict::kWantRead);
    return session;
  });
  RecordProperty("bytes", static_cast<int>(each));
  EXPECT_GT(each, kLongestMessage) << "nothing of it was kept: was it asked for?";
  EXPECT_LE(each, kLongMessageBytes);
}

// The longest message there is, and behind most of it most of a record.
TEST_P(WorstCaseTest, AHandshakeThatStopsInsideItsCertificatesAndALongRecord) {
  if (GetParam() != TLS1_2_VERSION) GTEST_SKIP() << "TLS 1.3 has them under keys: no shorter";
  auto identity = tls::MakeDevelopmentIdentity(absl::UnixEpoch());
  tls::ClientPolicy clients;
  clients.mode = tls::ClientCertificates::kRequired;
  clients.ca_pem = identity->ca_pem;
  const auto context = tls::ServerContext::Create(identity->localhost, clients);
  ASSERT_TRUE(context.ok()) << context.status();
  MemoryClient client(GetParam());
  const std::string hello = client.TakeOutput();
  std::string message("\x0b\0\x80\0", 4);
  message.resize(4 + tls::kMaxChainBytes - 1, 'x');
  const std::string records = CutUp(std::string(5, ' ') + message, 100);
  const std::string part =
      absl::StrCat("\x16\x03\x03\x40", std::string(1, '\0'), std::string(16383, 'x'));
  const int64_t each = BytesOfEach([&] {
    auto session = tls::ClientSession::Accept(**context, &staging_);
    session->Receive(Bytes(hello));
    staging_.ClearOutput();
    EXPECT_EQ(session->Receive(Bytes(records)).verdict, tls::Verdict::kWantRead);
    EXPECT_EQ(session->Receive(Bytes(part)).verdict, tls::Verdict::kWantRead);
    return session;
  });
  RecordProperty("bytes", static_cast<int>(each));
  EXPECT_GT(each, tls::kMaxChainBytes + 16384);
  EXPECT_LE(each, kLongMessageBytes);
}

TEST_P(WorstCaseTest, ASessionThatStopsInsideALongRecord) {
  const std::string part =
      absl::StrCat("\x17\x03\x03\x40", std::string(1, '\0'), std::string(16383, 'x'));
  for (const bool stops : {false, true}) {
    const int64_t held = BytesOfEach([&] {
      MemoryClient client(GetParam());
      auto session = tls::ClientSession::Accept(Context(), &staging_);
      for (int i = 0; i < 5 && !session->handshake_done(); ++i) {
        session->Receive(Bytes(client.TakeOutput()));
        client.Receive(std::string(staging_.output().begin(), staging_.output().end()));
        staging_.ClearOutput();
      }
      EXPECT_TRUE(session->handshake_done());
      if (stops) {
        EXPECT_EQ(session->Receive(Bytes(part)).verdict, tls::Verdict::kWantRead);
      }
      return session;
    });
    RecordProperty(stops ? "stalled" : "idle", static_cast<int>(held));
    EXPECT_LE(held, stops ? kSessionBytes : kSessionBytes - 16 * 1024);
  }
}

// The states that a connection can be stalled in hold no more than the budget counts.
TEST(BudgetTest, CountsTheWorstOfTheStates) {
  EXPECT_GE(kBytesPerConnection, kGreetingBytes + kConnectionBytes + kKernelBytes);
  EXPECT_GE(kBytesPerConnection, kLongMessageBytes + kConnectionBytes + kKernelBytes + kQueueBytes);
  EXPECT_EQ(kBytesPerConnection,
            2 * (kQueueBytes + kSessionBytes) + kConnectionBytes + kKernelBytes);
}

}  // namespace
}  // namespace tlsbridge
