// What a connection can be made to hold, measured, against what the budget counts for it.

#include <malloc.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "router/connections/greeting.h"
#include "router/limits/budget.h"
#include "tests/tls/memory_client.h"
#include "tests/tls/test_certificates.h"
#include "tls/backend_context.h"
#include "tls/backend_session.h"
#include "tls/certificates/certificate_uses.h"
#include "tls/certificates/development_ca.h"
#include "tls/client_session.h"
#include "tls/server_context.h"
#include "tls/tickets/ticket_keys.h"
#include "tls/tickets/ticket_secrets.h"
#include "tls/trust/client_verifier.h"

namespace tlsbridge {
namespace {

using ::tlsbridge::testing::CertificateShape;
using ::tlsbridge::testing::MakeCertificate;
using ::tlsbridge::testing::MemoryClient;
using ::tlsbridge::testing::TestCertificate;

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

// The header of the longest record, with which a session reserves room for it.
std::string BeginningOfLongRecord(uint8_t type) {
  return absl::StrCat(std::string(1, static_cast<char>(type)), "\x03\x03\x40",
                      std::string(1, '\0'));
}

// A message that cannot be answered before its last byte: a second hello (TLS 1.3, after a
// HelloRetryRequest).
TEST_P(WorstCaseTest, AHandshakeThatStopsInsideASecondHello) {
  if (GetParam() != TLS1_3_VERSION) GTEST_SKIP() << "only TLS 1.3 asks for a second hello";
  const auto asked_again = [this] {
    MemoryClient client(GetParam(),
                        [](SSL_CTX* ctx) { SSL_CTX_set1_groups_list(ctx, "P-521:X25519"); });
    return Answered(&staging_, client.TakeOutput());
  };
  for (const size_t size : {100, 4096, 16384}) {
    const std::string second = CutUp(LongHello(GetParam(), kLongestMessage), size);
    const std::string part = second.substr(0, second.size() - 1);
    const int64_t each = BytesOfEach([&] {
      auto session = asked_again();
      EXPECT_EQ(session->Receive(Bytes(part)).verdict, tls::Verdict::kWantRead);
      return session;
    });
    RecordProperty(absl::StrCat("bytes_", size), static_cast<int>(each));
    EXPECT_GT(each, kLongestMessage) << "nothing of it was kept: was it asked for?";
    EXPECT_LE(each, kHandshakeBytes) << "records of " << size;
  }
  const std::string second = CutUp(LongHello(GetParam(), kLongestMessage), 4096);
  auto session = asked_again();
  ASSERT_EQ(session->Receive(Bytes(second.substr(0, 4096 + 5))).verdict, tls::Verdict::kWantRead);
  EXPECT_EQ(session->Receive(Bytes(BeginningOfLongRecord(0x16))).verdict, tls::Verdict::kFailed);
  EXPECT_STREQ(session->failure().reason, "EXCESSIVE_MESSAGE_SIZE");
}

// ---- Inside a message and a record at once: the certificates that it was asked for.

// With so many names that it is `bytes` long, or a few less.
TestCertificate LongCertificate(size_t bytes, const TestCertificate& ca) {
  constexpr size_t kNameBytes = 200;
  constexpr size_t kNameBytesInAll = kNameBytes + 3;  // X.690 sections 8.1.2 and 8.1.3
  const auto make = [&ca](size_t names) {
    CertificateShape shape;
    shape.alternative_names = "DNS:a";
    for (size_t i = 0; i < names; ++i) {
      absl::StrAppend(&shape.alternative_names, ",DNS:", std::string(kNameBytes, 'a'));
    }
    return MakeCertificate(shape, &ca);
  };
  const auto length = static_cast<size_t>(i2d_X509(make(2).certificate.get(), nullptr));
  return make(2 + (bytes - length - 16) / kNameBytesInAll);
}

class WithClientCertificate : public WorstCaseTest {
 protected:
  // A message that is no longer than `kMaxClientChainBytes`, and hardly shorter.
  static constexpr size_t kCertificateBytes = tls::kMaxClientChainBytes - 64;

  void SetUp() override {
    WorstCaseTest::SetUp();
    auto identity = tls::MakeDevelopmentIdentity(absl::UnixEpoch());
    tls::ClientPolicy clients;
    clients.mode = tls::ClientCertificates::kRequired;
    clients.ca_pem = ca_.CertificatePem();
    auto context = tls::ServerContext::Create(identity->localhost, clients);
    const auto long_ago = [] { return absl::UnixEpoch(); };
    tls::InstallTicketKeys(
        *tls::TicketSecrets::Create({}, {.wall = long_ago, .monotonic = long_ago}), "route",
        (*context)->ssl_ctx());
    context_ = *std::move(context);
  }
  // With records of `fragment` bytes. `names` make its hello longer.
  std::unique_ptr<MemoryClient> Client(size_t fragment, size_t names = 0) {
    return std::make_unique<MemoryClient>(GetParam(), [&](SSL_CTX* ctx) {
      EXPECT_EQ(SSL_CTX_use_certificate(ctx, shown_.certificate.get()), 1);
      EXPECT_EQ(SSL_CTX_use_PrivateKey(ctx, shown_.key.get()), 1);
      SSL_CTX_set_max_send_fragment(ctx, fragment);
      testing::OfferProtocols(ctx, names);
    });
  }
  // The client's second flight is the next of its output.
  std::unique_ptr<tls::ClientSession> Asked(MemoryClient* client) {
    auto session = tls::ClientSession::Accept(*context_, &staging_);
    session->Receive(Bytes(client->TakeOutput()));
    client->Receive(std::string(staging_.output().begin(), staging_.output().end()));
    staging_.ClearOutput();
    return session;
  }

  const TestCertificate ca_ = MakeCertificate({.common_name = "ca", .ca = true}, nullptr);
  const TestCertificate shown_ = LongCertificate(kCertificateBytes, ca_);
  std::unique_ptr<const tls::ServerContext> context_;
};

INSTANTIATE_TEST_SUITE_P(Versions, WithClientCertificate,
                         ::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION), [](const auto& info) {
                           return info.param == TLS1_2_VERSION ? "Tls12" : "Tls13";
                         });

TEST_P(WithClientCertificate, AsLongOnesAsAreTakenAreTakenHoweverTheyAreCutUp) {
  for (const size_t fragment : {512, 4096, 16384}) {
    const auto client = Client(fragment);
    const auto session = Asked(client.get());
    const std::string flight = client->TakeOutput();
    for (size_t at = 0; at < flight.size(); at += 1000) {
      session->Receive(Bytes(flight.substr(at, 1000)));
    }
    EXPECT_TRUE(session->handshake_done()) << "records of " << fragment;
  }
}

TEST_P(WithClientCertificate, AHandshakeThatStopsInsideThemOrBehind) {
  int64_t most = 0;
  for (const size_t fragment : {512, 4096, 16384}) {
    for (const size_t names : {0, 7000}) {
      for (const size_t missing : {8000, 1000, 200, 100, 20, 1}) {
        const int64_t each = BytesOfEach([&] {
          const auto client = Client(fragment, names);
          auto session = Asked(client.get());
          const std::string flight = client->TakeOutput();
          EXPECT_EQ(session->Receive(Bytes(flight.substr(0, flight.size() - missing))).verdict,
                    tls::Verdict::kWantRead);
          EXPECT_FALSE(session->handshake_done());
          return session;
        });
        EXPECT_LE(each, kHandshakeBytes) << "records of " << fragment << ", missing " << missing;
        most = std::max(most, each);
      }
    }
  }
  RecordProperty("bytes", static_cast<int>(most));
  EXPECT_GT(most, static_cast<int64_t>(tls::kMaxClientChainBytes));
}

// The first records of `flight`, whole, of `bytes` or a little more.
std::string WholeRecords(const std::string& flight, size_t bytes) {
  size_t end = 0;
  while (end < bytes) {
    const auto high = static_cast<uint8_t>(flight[end + 3]);
    const auto low = static_cast<uint8_t>(flight[end + 4]);
    end += 5 + (size_t{high} << 8 | low);
  }
  return flight.substr(0, end);
}

TEST_P(WithClientCertificate, NoRecordIsBegunThatIsLongerThanTheRestOfTheFlight) {
  const auto client = Client(/*fragment=*/512);
  const auto session = Asked(client.get());
  const std::string part = WholeRecords(client->TakeOutput(), 3000);
  ASSERT_EQ(session->Receive(Bytes(part)).verdict, tls::Verdict::kWantRead);
  const std::string begun = BeginningOfLongRecord(GetParam() == TLS1_3_VERSION ? 0x17 : 0x16);
  EXPECT_EQ(session->Receive(Bytes(begun)).verdict, tls::Verdict::kFailed);
  EXPECT_STREQ(session->failure().reason, "EXCESSIVE_MESSAGE_SIZE");
}

// It could not be offered: it has the certificates in it, and a hello is no longer than they are.
TEST_P(WithClientCertificate, NoTicketIsGivenForLongOnes) {
  const auto established = [this] {
    const auto client = Client(/*fragment=*/16384);
    auto session = Asked(client.get());
    session->Receive(Bytes(client->TakeOutput()));
    EXPECT_TRUE(session->handshake_done());
    client->Receive(std::string(staging_.output().begin(), staging_.output().end()));
    staging_.ClearOutput();
    return session;
  };
  const auto session = established();
  session->Send(Bytes("with which it would be sent"));
  EXPECT_LT(staging_.output().size(), 200u);
  staging_.ClearOutput();
  EXPECT_LE(BytesOfEach(established), kSessionBytes - 16 * 1024 + kClientChainBytes);
}

// The longest message that is taken from a backend, and behind most of it most of a record.
TEST_P(WorstCaseTest, ABackendThatStopsInsideItsCertificatesAndALongRecord) {
  if (GetParam() != TLS1_2_VERSION) GTEST_SKIP() << "TLS 1.3 has them under keys: no shorter";
  tls::BackendOptions options;
  options.trust.ca_pem = tls::MakeDevelopmentIdentity(absl::UnixEpoch())->ca_pem;
  options.verify_name = "orders.internal";
  const std::shared_ptr<const tls::BackendContext> context = *tls::BackendContext::Create(options);
  // RFC 5246 section 7.4.1.3: no session, ECDHE-ECDSA with AES-128-GCM, no compression.
  std::string hello("\x16\x03\x03\0\x2a\x02\0\0\x26\x03\x03", 11);
  hello += std::string(32, 'r') + std::string("\0\xc0\x2b\0", 4);
  std::string message("\x0b\0\x80\0", 4);
  message.resize(4 + tls::kMaxChainBytes - 1, 'x');
  const std::string records = CutUp(std::string(5, ' ') + message, 100);
  const std::string part = BeginningOfLongRecord(0x16) + std::string(16383, 'x');
  const int64_t each = BytesOfEach([&] {
    auto session = tls::BackendSession::Connect(context, &staging_, "10.0.0.7:443", "");
    session->Start();
    staging_.ClearOutput();
    for (const auto& sent : {hello, records, part}) {
      EXPECT_EQ(session->Receive(Bytes(sent)).verdict, tls::Verdict::kWantRead);
    }
    return session;
  });
  RecordProperty("bytes", static_cast<int>(each));
  EXPECT_GT(each, tls::kMaxChainBytes + 16384);
  EXPECT_LE(each, kBackendHandshakeBytes);
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
  EXPECT_GE(kBytesPerConnection, kHandshakeBytes + kConnectionBytes + kKernelBytes);
  // The client waits, established, and may have sent what a queue holds.
  EXPECT_GE(kBytesPerConnection,
            kBackendHandshakeBytes + kSessionBytes + kQueueBytes + kConnectionBytes + kKernelBytes);
  EXPECT_EQ(kBytesPerConnection, 2 * (kQueueBytes + kSessionBytes) + kClientChainBytes +
                                     kBackendChainBytes + kConnectionBytes + kKernelBytes);
}

}  // namespace
}  // namespace tlsbridge
