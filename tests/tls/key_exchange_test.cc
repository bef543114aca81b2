// Which group clients, backends and we agree on, and how: the post-quantum hybrid first, by a
// second hello where the first brought another key (RFC 8446 sections 4.1.4 and 4.2.8).

#include <openssl/ssl.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "tests/tls/backend_session_fixture.h"
#include "tests/tls/memory_client.h"
#include "tls/certificates/development_ca.h"
#include "tls/client_session.h"

namespace tlsbridge::tls {
namespace {

using ::tlsbridge::testing::MemoryClient;

constexpr char kHybrid[] = "X25519MLKEM768";
// A public key of the hybrid alone: ML-KEM-768's and X25519's.
constexpr size_t kHybridShareBytes = 1184 + 32;
// HelloRetryRequest is a ServerHello with this random.
constexpr char kRetryRandom[] = "\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91";

bool AsksAgain(const std::string& flight) { return flight.find(kRetryRandom) != std::string::npos; }

class ClientKeyExchangeTest : public ::testing::Test {
 protected:
  // A client's handshake with a server that has `groups`; both in pieces of `piece`.
  void Handshake(const std::string& groups, const std::function<void(SSL_CTX*)>& client,
                 size_t piece = 100'000) {
    ServerOptions options;
    options.protocol.groups = groups;
    Certificate certificate;
    certificate.pair = std::move(MakeDevelopmentIdentity(absl::UnixEpoch())->localhost);
    options.certificates.push_back(MakeCredential(certificate).value());
    const auto context = ServerContext::Create(options);
    ASSERT_TRUE(context.ok()) << context.status();
    Staging staging;
    const auto session = ClientSession::Accept(**context, &staging);
    MemoryClient peer(TLS1_3_VERSION, client);
    hello_bytes_ = 0;
    asked_again_ = false;
    for (int i = 0; i < 3; ++i) {
      const std::string flight = peer.TakeOutput();
      if (i == 0) hello_bytes_ = flight.size();
      for (size_t at = 0; at < flight.size(); at += piece) {
        session->Receive(Bytes(flight.substr(at, piece)));
      }
      const std::string answer(staging.output().begin(), staging.output().end());
      staging.ClearOutput();
      if (AsksAgain(answer)) asked_again_ = true;
      for (size_t at = 0; at < answer.size(); at += piece) peer.Receive(answer.substr(at, piece));
    }
    EXPECT_TRUE(session->handshake_done());
    EXPECT_TRUE(peer.handshake_done());
    group_ = session->group();
  }
  static std::function<void(SSL_CTX*)> Offering(const char* groups) {
    return [groups](SSL_CTX* ctx) { ASSERT_EQ(SSL_CTX_set1_groups_list(ctx, groups), 1); };
  }

  std::string group_;
  size_t hello_bytes_ = 0;
  bool asked_again_ = false;
};

TEST_F(ClientKeyExchangeTest, TheHybridIsTakenByDefaultInPiecesOfAnySize) {
  for (const size_t piece : {size_t{100'000}, size_t{1400}, size_t{700}, size_t{1}}) {
    Handshake("", Offering("X25519MLKEM768:X25519:P-256"), piece);
    EXPECT_EQ(group_, kHybrid) << "in pieces of " << piece;
    EXPECT_GT(hello_bytes_, kHybridShareBytes);
    EXPECT_FALSE(asked_again_) << "it has brought the key";
  }
}

TEST_F(ClientKeyExchangeTest, AClientThatDoesNotKnowTheHybridIsServedAtOnce) {
  Handshake("", Offering("X25519:P-256"));
  EXPECT_EQ(group_, "X25519");
  EXPECT_FALSE(asked_again_);
}

TEST_F(ClientKeyExchangeTest, AClientThatKnowsItButBringsAnotherKeyIsAskedForIt) {
  // It brings keys for the first post-quantum group of its list and for the first other.
  for (const size_t piece : {size_t{100'000}, size_t{500}}) {
    Handshake("", Offering("MLKEM1024:X25519MLKEM768:P-256"), piece);
    EXPECT_EQ(group_, kHybrid);
    EXPECT_TRUE(asked_again_);
  }
}

TEST_F(ClientKeyExchangeTest, AServerWithoutTheHybridAsksForAnother) {
  Handshake("P-384:P-256", Offering("X25519MLKEM768:X25519:P-384"));
  EXPECT_EQ(group_, "P-384");
  EXPECT_TRUE(asked_again_);
}

TEST_F(ClientKeyExchangeTest, TheServersOrderCounts) {
  Handshake("X25519:X25519MLKEM768", Offering("X25519MLKEM768:X25519"));
  EXPECT_EQ(group_, "X25519");
}

class BackendKeyExchangeTest : public BackendSessionFixture {
 protected:
  // A handshake with a backend that has `groups`.
  void ConnectToOneWith(const char* groups, size_t piece = kAtOnce) {
    const auto server = BackendWith(good_);
    ASSERT_EQ(SSL_CTX_set1_groups_list(server.get(), groups), 1);
    Connect(Context(Options()), server.get(), piece);
    ASSERT_TRUE(session_->handshake_done()) << Describe(session_->failure());
    ASSERT_TRUE(backend_->handshake_done());
  }
};

INSTANTIATE_TEST_SUITE_P(Versions, BackendKeyExchangeTest, ::testing::Values(TLS1_3_VERSION),
                         NameOfVersion);

TEST_P(BackendKeyExchangeTest, TheHybridIsWhatABackendIsOfferedFirst) {
  for (const size_t piece : {kAtOnce, size_t{700}}) {
    ConnectToOneWith("X25519:X25519MLKEM768:P-256", piece);
    EXPECT_STREQ(session_->group(), kHybrid) << "in pieces of " << piece;
  }
}

TEST_P(BackendKeyExchangeTest, ABackendThatAsksForAnotherKeyGetsIt) {
  for (const char* group : {"X25519", "P-256", "P-384", "P-521"}) {
    ConnectToOneWith(group);
    EXPECT_STREQ(session_->group(), group);
  }
}

}  // namespace
}  // namespace tlsbridge::tls
