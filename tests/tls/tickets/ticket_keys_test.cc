#include "tls/tickets/ticket_keys.h"

#include <openssl/ssl.h>

#include <atomic>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "tests/tls/memory_client.h"
#include "tls/certificates/development_ca.h"
#include "tls/client_session.h"

namespace tlsbridge::tls {
namespace {

using ::tlsbridge::testing::MemoryClient;
using Mode = TicketOptions::Mode;
using Ticket = bssl::UniquePtr<SSL_SESSION>;

absl::Span<const uint8_t> Bytes(const std::string& text) {
  return absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(text.data()), text.size());
}

const KeyPair& Certificate() {
  static const auto* const identity = new auto(MakeDevelopmentIdentity(absl::UnixEpoch()));
  return (*identity)->localhost;
}

// One connection: whether it was resumed, and the ticket that came with it.
struct Outcome {
  bool resumed = false;
  Ticket ticket;
};

Outcome Connect(const ServerContext& context, uint16_t version, SSL_SESSION* resume = nullptr) {
  static thread_local Ticket received;
  received.reset();
  MemoryClient client(
      version,
      [](SSL_CTX* ctx) {
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT);
        SSL_CTX_sess_set_new_cb(ctx, [](SSL*, SSL_SESSION* session) {
          received.reset(session);
          return 1;
        });
      },
      resume);
  Staging staging;
  const auto server = ClientSession::Accept(context, &staging);
  for (int i = 0; i < 4; ++i) {
    server->Receive(Bytes(client.TakeOutput()));
    if (i == 3) server->Send(Bytes("x"));  // tickets of TLS 1.3 go out with the first write
    client.Receive(std::string(staging.output().begin(), staging.output().end()));
    staging.ClearOutput();
  }
  EXPECT_TRUE(server->handshake_done() && client.handshake_done());
  EXPECT_EQ(client.received(), "x");
  return {server->resumed(), std::move(received)};
}

std::string TicketBytes(const Ticket& ticket) {
  const uint8_t* data;
  size_t length;
  SSL_SESSION_get0_ticket(ticket.get(), &data, &length);
  return std::string(reinterpret_cast<const char*>(data), length);
}
std::string KeyName(const Ticket& ticket) {
  return TicketBytes(ticket).substr(0, SSL_TICKET_KEY_NAME_LEN);
}

class TicketKeysTest : public ::testing::TestWithParam<uint16_t> {
 protected:
  std::string Path() const { return ::testing::TempDir() + "ticket_keys_test.key"; }
  void WriteKeys(const std::string& fills) {
    std::ofstream file(Path());
    for (const char fill : fills) file << absl::Base64Escape(std::string(48, fill)) << "\n";
  }
  TicketSecrets::Clocks Clocks() {
    return {.wall = [this] { return now_; }, .monotonic = [this] { return now_; }};
  }
  std::shared_ptr<TicketSecrets> Secrets(Mode mode) {
    auto made = TicketSecrets::Create({mode, Path()}, Clocks());
    EXPECT_TRUE(made.ok()) << made.status();
    return *std::move(made);
  }
  static std::unique_ptr<ServerContext> Context(std::shared_ptr<TicketSecrets> secrets,
                                                const std::string& binding = "orders") {
    auto context = *ServerContext::Create(Certificate());
    InstallTicketKeys(std::move(secrets), binding, context->ssl_ctx());
    return context;
  }
  // A ticket of `context`.
  static Ticket Get(const ServerContext& context) {
    Outcome outcome = Connect(context, GetParam());
    EXPECT_FALSE(outcome.resumed);
    EXPECT_NE(outcome.ticket, nullptr);
    return std::move(outcome.ticket);
  }
  static bool Resumes(const ServerContext& context, const Ticket& ticket) {
    return Connect(context, GetParam(), ticket.get()).resumed;
  }

  absl::Time now_ = absl::FromUnixSeconds(1'699'963'200);  // a period of 12 h begins
};

TEST_P(TicketKeysTest, ATicketIsResumedByTheContextThatGaveItAndByOneMadeAnew) {
  const auto secrets = Secrets(Mode::kRandom);
  auto context = Context(secrets);
  const Ticket ticket = Get(*context);
  EXPECT_TRUE(Resumes(*context, ticket));
  context = Context(secrets);  // a reload of the configuration
  EXPECT_TRUE(Resumes(*context, ticket));
}

TEST_P(TicketKeysTest, RandomKeysEndWithTheProcess) {
  const Ticket ticket = Get(*Context(Secrets(Mode::kRandom)));
  EXPECT_FALSE(Resumes(*Context(Secrets(Mode::kRandom)), ticket));
}

TEST_P(TicketKeysTest, SharedSecretsResumeAfterARestartAndOnAnotherReplica) {
  WriteKeys("s");
  Ticket ticket = Get(*Context(Secrets(Mode::kShared)));
  const auto replica = Context(Secrets(Mode::kShared));
  EXPECT_TRUE(Resumes(*replica, ticket));
  WriteKeys("t");
  EXPECT_FALSE(Resumes(*Context(Secrets(Mode::kShared)), ticket));
}

TEST_P(TicketKeysTest, ATicketOfOneBindingIsRefusedByAnother) {
  WriteKeys("s");
  for (const Mode mode : {Mode::kRandom, Mode::kFile, Mode::kShared}) {
    const auto secrets = Secrets(mode);
    const auto orders = Context(secrets, "orders");
    const auto billing = Context(secrets, "billing");
    const Ticket ticket = Get(*orders);
    EXPECT_FALSE(Resumes(*billing, ticket));
    EXPECT_TRUE(Resumes(*orders, ticket));
  }
}

TEST_P(TicketKeysTest, ATicketOfTheEpochBeforeIsAcceptedAndOneOfTwoBeforeIsNot) {
  WriteKeys("s");
  for (const Mode mode : {Mode::kRandom, Mode::kShared}) {
    const auto context = Context(Secrets(mode));
    const Ticket ticket = Get(*context);
    now_ += absl::Hours(12);
    EXPECT_TRUE(Resumes(*context, ticket));
    now_ += absl::Hours(12);
    EXPECT_FALSE(Resumes(*context, ticket));
  }
}

TEST_P(TicketKeysTest, AReplicaWhoseClockIsAnEpochBehindAcceptsAndOneTwoBehindDoesNot) {
  WriteKeys("s");
  const auto context = Context(Secrets(Mode::kShared));
  const Ticket ticket = Get(*context);
  now_ -= absl::Hours(12);
  EXPECT_TRUE(Resumes(*context, ticket));
  now_ -= absl::Hours(12);
  EXPECT_FALSE(Resumes(*context, ticket));
}

TEST_P(TicketKeysTest, ATicketIsAcceptedForAllOfTheLifetimeThatTheClientIsTold) {
  const auto context = Context(Secrets(Mode::kRandom));
  const Ticket first = Get(*context);
  now_ += absl::Hours(12) - absl::Seconds(1);  // the last moment of its key
  const Ticket last = Get(*context);
  EXPECT_EQ(KeyName(first), KeyName(last));
  if (GetParam() == TLS1_3_VERSION) {  // a client of TLS 1.2 keeps to a limit of its own
    EXPECT_EQ(SSL_SESSION_get_timeout(last.get()), 12u * 3600);
  }
  now_ += absl::Hours(12);
  EXPECT_TRUE(Resumes(*context, last));
}

TEST_P(TicketKeysTest, ATicketUnderAnOldKeyIsRenewedAndTheNewOneOutlivesIt) {
  const auto context = Context(Secrets(Mode::kRandom));
  const Ticket old = Get(*context);
  now_ += absl::Hours(12);
  Outcome outcome = Connect(*context, GetParam(), old.get());
  ASSERT_TRUE(outcome.resumed);
  ASSERT_NE(outcome.ticket, nullptr);
  EXPECT_NE(KeyName(outcome.ticket), KeyName(old));
  now_ += absl::Hours(12);
  EXPECT_FALSE(Resumes(*context, old));
  EXPECT_TRUE(Resumes(*context, outcome.ticket));
}

TEST_P(TicketKeysTest, ATicketUnderTheCurrentKeyIsNotRenewedInTls12) {
  const auto context = Context(Secrets(Mode::kRandom));
  const Ticket ticket = Get(*context);
  const Outcome outcome = Connect(*context, GetParam(), ticket.get());
  ASSERT_TRUE(outcome.resumed);
  EXPECT_EQ(outcome.ticket == nullptr, GetParam() == TLS1_2_VERSION);
}

TEST_P(TicketKeysTest, AFileIsRotatedByPuttingANewKeyOnTop) {
  WriteKeys("a");
  const auto secrets = Secrets(Mode::kFile);
  const auto context = Context(secrets);
  const Ticket ticket = Get(*context);
  WriteKeys("ba");
  secrets->TakeOver(*Secrets(Mode::kFile));
  Outcome outcome = Connect(*context, GetParam(), ticket.get());
  EXPECT_TRUE(outcome.resumed);
  ASSERT_NE(outcome.ticket, nullptr);
  EXPECT_EQ(KeyName(outcome.ticket), KeyName(Get(*context)));
  WriteKeys("b");
  secrets->TakeOver(*Secrets(Mode::kFile));
  EXPECT_FALSE(Resumes(*context, ticket));
  EXPECT_TRUE(Resumes(*context, outcome.ticket));
}

TEST_P(TicketKeysTest, OffIssuesNoTicketAndAcceptsNone) {
  const auto off = Context(Secrets(Mode::kOff));
  EXPECT_EQ(Connect(*off, GetParam()).ticket, nullptr);
  const Ticket ticket = Get(*Context(Secrets(Mode::kRandom)));
  const Outcome outcome = Connect(*off, GetParam(), ticket.get());
  EXPECT_FALSE(outcome.resumed);
  EXPECT_EQ(outcome.ticket, nullptr);
}

TEST_P(TicketKeysTest, ATicketThatWasTamperedWithIsAFullHandshake) {
  const auto context = Context(Secrets(Mode::kRandom));
  const Ticket ticket = Get(*context);
  const std::string good = TicketBytes(ticket);
  for (const size_t at : {size_t{0}, size_t{20}, size_t{60}, good.size() - 1}) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    SSL_SESSION_set_ticket(ticket.get(), reinterpret_cast<const uint8_t*>(bad.data()), bad.size());
    EXPECT_FALSE(Resumes(*context, ticket)) << "changed at " << at;
  }
  SSL_SESSION_set_ticket(ticket.get(), reinterpret_cast<const uint8_t*>(good.data()), 16);
  EXPECT_FALSE(Resumes(*context, ticket));
  SSL_SESSION_set_ticket(ticket.get(), reinterpret_cast<const uint8_t*>(good.data()), good.size());
  EXPECT_TRUE(Resumes(*context, ticket));
}

TEST(TicketKeysThreadsTest, WorkersGoOnWhileTheKeysAreReplaced) {
  std::atomic<int64_t> now = 1'700'000'000;
  const auto secrets = *TicketSecrets::Create(
      {Mode::kRandom}, {.wall = [] { return absl::UnixEpoch(); },
                        .monotonic = [&now] { return absl::FromUnixSeconds(now.load()); }});
  auto context = *ServerContext::Create(Certificate());
  InstallTicketKeys(secrets, "orders", context->ssl_ctx());
  std::vector<std::thread> workers;
  for (int w = 0; w < 3; ++w) {
    workers.emplace_back([&context, &now] {
      for (int i = 0; i < 20; ++i) {
        const Outcome first = Connect(*context, TLS1_3_VERSION);
        Connect(*context, TLS1_3_VERSION, first.ticket.get());
        now += 3600;
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
}

INSTANTIATE_TEST_SUITE_P(Tls, TicketKeysTest, ::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& info) {
                           return info.param == TLS1_2_VERSION ? "Tls12" : "Tls13";
                         });

}  // namespace
}  // namespace tlsbridge::tls
