// Session tickets: which process resumes a session that which one began.

#include <signal.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/openssl.h"
#include "tests/e2e/support/tls_client.h"

namespace tlsbridge::e2e {
namespace {

using ::testing::HasSubstr;

// The last session that a client was given a ticket for.
bssl::UniquePtr<SSL_SESSION>& LastSession() {
  static auto* const session = new bssl::UniquePtr<SSL_SESSION>;
  return *session;
}

std::string Secret(char filler) {
  // Base64 of 48 bytes.
  return std::string(64, filler) + "\n";
}

class TicketsTest : public TlsbridgeTest, public testing::WithParamInterface<int> {
 protected:
  void Start(const std::string& tickets) {
    if (files_.certificate.empty()) files_ = certificates().Issue();
    StartSidecarWith(files_, backend_.address(), {absl::StrCat("--tickets=", tickets)});
  }
  void Restart(const std::string& tickets) {
    ASSERT_EQ(tlsbridge().Stop(), 0);
    ASSERT_NO_FATAL_FAILURE(Start(tickets));
  }
  // A visit that offers the session given, if any. Whether it was resumed; the new session, if a
  // ticket came, is LastSession().
  bool Visit(const std::string& address, SSL_SESSION* session) {
    LastSession().reset();
    auto client = TlsClient::Connect(address, {.version = GetParam()});
    if (!client.ok()) {
      ADD_FAILURE() << client.status();
      return false;
    }
    SSL_CTX* ctx = SSL_get_SSL_CTX(client->ssl());
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(ctx, [](SSL*, SSL_SESSION* session) {
      LastSession().reset(session);
      return 1;
    });
    if (session != nullptr) SSL_set_session(client->ssl(), session);
    // A ticket of TLS 1.3 is read with the first data.
    EXPECT_EQ(client->Handshake(), absl::OkStatus());
    EXPECT_EQ(client->ReadToEnd().value_or("failed"), "hello");
    return SSL_session_reused(client->ssl()) != 0;
  }
  bool Visit(SSL_SESSION* session = nullptr) { return Visit(tlsbridge().address(), session); }
  bssl::UniquePtr<SSL_SESSION> FirstSession() {
    EXPECT_FALSE(Visit());
    return std::move(LastSession());
  }

  TcpBackend backend_{[](Socket& connection) { (void)connection.Write("hello"); }};
  CertificateFiles files_;
};

INSTANTIATE_TEST_SUITE_P(Versions, TicketsTest, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& info) {
                           return info.param == TLS1_2_VERSION ? "Tls12" : "Tls13";
                         });

TEST_P(TicketsTest, AutoResumesInTheProcessAndTheLogSaysSo) {
  ASSERT_NO_FATAL_FAILURE(Start("auto"));
  const auto session = FirstSession();
  ASSERT_NE(session, nullptr);
  EXPECT_TRUE(Visit(session.get()));
  const auto ended = tlsbridge().WaitForConnections(2);
  ASSERT_EQ(ended.size(), 2u);
  EXPECT_NE(ended[0]["resumed"], ended[1]["resumed"]);
}

TEST_P(TicketsTest, AutoIsLostAtARestartWhichCostsOneFullHandshake) {
  ASSERT_NO_FATAL_FAILURE(Start("auto"));
  const auto session = FirstSession();
  ASSERT_NO_FATAL_FAILURE(Restart("auto"));
  EXPECT_FALSE(Visit(session.get()));
}

TEST_P(TicketsTest, OffIssuesNoneAndAcceptsNone) {
  ASSERT_NO_FATAL_FAILURE(Start(absl::StrCat("file:", dir().WriteFile("keys", Secret('A')))));
  const auto session = FirstSession();
  ASSERT_NE(session, nullptr);
  ASSERT_NO_FATAL_FAILURE(Restart("off"));
  EXPECT_FALSE(Visit(session.get()));
  EXPECT_TRUE(LastSession() == nullptr || !SSL_SESSION_has_ticket(LastSession().get()));
}

TEST_P(TicketsTest, SharedResumesAfterARestartAndInAnotherInstance) {
  const std::string tickets = absl::StrCat("shared:", dir().WriteFile("secret", Secret('S')));
  ASSERT_NO_FATAL_FAILURE(Start(tickets));
  const auto session = FirstSession();
  ASSERT_NE(session, nullptr);
  auto other =
      Tlsbridge::Start({.arguments = {"--backend", backend_.address(), "--cert", files_.certificate,
                                      "--key", files_.key, absl::StrCat("--tickets=", tickets)}});
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_TRUE(Visit((*other)->address(), session.get()));
  EXPECT_EQ((*other)->Stop(), 0);
  ASSERT_NO_FATAL_FAILURE(Restart(tickets));
  EXPECT_TRUE(Visit(session.get()));
}

TEST_P(TicketsTest, AnotherSharedSecretDoesNotResume) {
  ASSERT_NO_FATAL_FAILURE(Start(absl::StrCat("shared:", dir().WriteFile("one", Secret('S')))));
  const auto session = FirstSession();
  ASSERT_NO_FATAL_FAILURE(Restart(absl::StrCat("shared:", dir().WriteFile("two", Secret('T')))));
  EXPECT_FALSE(Visit(session.get()));
}

TEST_P(TicketsTest, SecretsOfAFileAreReplacedAtSighup) {
  const std::string tickets = absl::StrCat("file:", dir().WriteFile("keys", Secret('A')));
  ASSERT_NO_FATAL_FAILURE(Start(tickets));
  const auto session = FirstSession();
  ASSERT_NE(session, nullptr);
  size_t reloads = 0;
  const auto rotate = [&](const std::string& content) {
    dir().WriteFile("keys", content);
    tlsbridge().process().SendSignal(SIGHUP);
    size_t seen = 0;
    ++reloads;
    ASSERT_TRUE(
        tlsbridge().WaitForEvent("reloaded", [&](const auto&) { return ++seen > reloads - 1; }));
  };
  ASSERT_NO_FATAL_FAILURE(rotate(Secret('B') + Secret('A')));
  EXPECT_TRUE(Visit(session.get())) << "the old secret still decrypts";
  ASSERT_NE(LastSession(), nullptr) << "and the ticket is replaced";
  const auto renewed = std::move(LastSession());
  ASSERT_NO_FATAL_FAILURE(rotate(Secret('B')));
  EXPECT_FALSE(Visit(session.get()));
  EXPECT_TRUE(Visit(renewed.get()));
  // A file that is wrong changes nothing.
  dir().WriteFile("keys", "too short\n");
  tlsbridge().process().SendSignal(SIGHUP);
  ASSERT_TRUE(tlsbridge().WaitForEvent("renewal_refused"));
  EXPECT_TRUE(Visit(renewed.get()));
}

TEST_F(TlsbridgeTest, OpensslResumesTls12) {
  TcpBackend backend([](Socket& connection) { (void)connection.ReadToEnd(); });
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend.address()));
  const OpensslResult result = SClient(
      tlsbridge().address(), certificates().authority_certificate(), {"-tls1_2", "-reconnect"});
  EXPECT_THAT(result.output, HasSubstr("Reused, TLSv1.2"));
}

}  // namespace
}  // namespace tlsbridge::e2e
