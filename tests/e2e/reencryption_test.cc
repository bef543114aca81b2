// TLS on both sides: the backend is openssl s_server, or a second tlsbridge before a TcpBackend.

#include <signal.h>

#include <future>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/harness/payload.h"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/openssl.h"
#include "tests/e2e/support/tls_client.h"

namespace tlsbridge::e2e {
namespace {

using ::testing::HasSubstr;

class ReencryptionTest : public TlsbridgeTest {
 protected:
  void StartBackend(const CertificateOptions& options,
                    const std::vector<std::string>& arguments = {}) {
    auto started = SServer::Start(backends_.Issue(options), arguments);
    ASSERT_TRUE(started.ok()) << started.status();
    backend_ = *std::move(started);
  }
  void Start(std::vector<std::string> more = {}) {
    more.insert(more.end(),
                {"--backend-ca", backends_.authority_certificate(), "--backend-name", "orders"});
    StartSidecar(backend_->address(), more);
  }
  // What s_server, which reverses lines, makes of one.
  std::string Reversed(TlsClient& client) {
    if (const auto status = client.Write("abc\n"); !status.ok()) return status.ToString();
    auto answer = client.ReadExactly(4);
    return answer.ok() ? *answer : answer.status().ToString();
  }
  // The only client gets nothing, and the log says why.
  nlohmann::json EndOfUnserved() {
    auto client = TlsClient::Open(tlsbridge().address());
    EXPECT_TRUE(client.ok()) << client.status();
    if (client.ok()) {
      EXPECT_EQ(client->ReadToEnd().value_or(""), "");
      EXPECT_NE(client->end(), TlsEnd::kCloseNotify) << "looks like an empty answer";
    }
    const auto ended = tlsbridge().WaitForConnections(1);
    EXPECT_EQ(ended.size(), 1u);
    return ended.empty() ? nlohmann::json::object() : ended[0];
  }
  void ExpectUnserved(const std::string& detail) {
    const nlohmann::json end = EndOfUnserved();
    EXPECT_EQ(end["reason"], "backend_tls_failed") << end;
    EXPECT_EQ(end["detail"], detail) << end;
  }

  TempDir backends_dir_;
  Certificates backends_{backends_dir_, "backends"};
  const CertificateOptions orders_ = {.name = "orders", .alt_names = {"DNS:orders"}};
  std::unique_ptr<SServer> backend_;
};

TEST_F(ReencryptionTest, AVerifiedBackendIsSpokenToInTls) {
  ASSERT_NO_FATAL_FAILURE(StartBackend(orders_));
  ASSERT_NO_FATAL_FAILURE(Start());
  auto client = TlsClient::Open(tlsbridge().address());
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_EQ(Reversed(*client), "cba\n");
}

TEST_F(ReencryptionTest, ABackendOfAnotherNameGetsNothing) {
  ASSERT_NO_FATAL_FAILURE(StartBackend({.name = "billing", .alt_names = {"DNS:billing"}}));
  ASSERT_NO_FATAL_FAILURE(Start());
  ExpectUnserved("bad_backend_cert:wrong_name");
}

TEST_F(ReencryptionTest, ABackendOfAnotherCaGetsNothing) {
  auto started = SServer::Start(certificates().Issue(orders_));
  ASSERT_TRUE(started.ok()) << started.status();
  backend_ = *std::move(started);
  ASSERT_NO_FATAL_FAILURE(Start());
  ExpectUnserved("bad_backend_cert:untrusted");
}

TEST_F(ReencryptionTest, ABackendWhoseCertificateHasExpiredGetsNothing) {
  CertificateOptions expired = orders_;
  expired.days = -1;
  ASSERT_NO_FATAL_FAILURE(StartBackend(expired));
  ASSERT_NO_FATAL_FAILURE(Start());
  ExpectUnserved("bad_backend_cert:expired");
}

TEST_F(ReencryptionTest, ABackendThatIsNotVerifiedIsServedWhateverItsCertificate) {
  ASSERT_NO_FATAL_FAILURE(StartBackend({.name = "billing", .alt_names = {"DNS:billing"}}));
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend_->address(), {"--backend-insecure"}));
  auto client = TlsClient::Open(tlsbridge().address());
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_EQ(Reversed(*client), "cba\n");
}

TEST_F(ReencryptionTest, ABackendThatWantsACertificateGetsOurs) {
  const CertificateFiles ours = certificates().Issue({.name = "ours"});
  ASSERT_NO_FATAL_FAILURE(StartBackend(orders_, {"-Verify", "1", "-verify_return_error", "-CAfile",
                                                 certificates().authority_certificate()}));
  ASSERT_NO_FATAL_FAILURE(Start({"--backend-cert", ours.certificate, "--backend-key", ours.key}));
  auto client = TlsClient::Open(tlsbridge().address());
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_EQ(Reversed(*client), "cba\n");
  EXPECT_THAT(backend_->Output(), HasSubstr("CN = ours"));
}

TEST_F(ReencryptionTest, ABackendThatWantsACertificateAndGetsNoneIsLogged) {
  ASSERT_NO_FATAL_FAILURE(StartBackend(
      orders_, {"-Verify", "1", "-CAfile", certificates().authority_certificate(), "-tls1_2"}));
  ASSERT_NO_FATAL_FAILURE(Start());
  EXPECT_THAT(EndOfUnserved().value("detail", ""), HasSubstr("backend_alert:"));
}

TEST_F(ReencryptionTest, ABackendThatSpeaksNoTlsGetsNothing) {
  TcpBackend plain([](Socket& connection) { (void)connection.Write("SSH-2.0-plain\r\n"); });
  ASSERT_NO_FATAL_FAILURE(StartSidecar(
      plain.address(),
      {"--backend-ca", backends_.authority_certificate(), "--backend-name", "orders"}));
  EXPECT_EQ(EndOfUnserved()["reason"], "backend_tls_failed");
}

// How the client's stream ends when a backend is cut off that has answered a line.
class CutOffBackendTest : public ReencryptionTest {
 protected:
  void CutOff(const std::vector<std::string>& arguments) {
    ASSERT_NO_FATAL_FAILURE(StartBackend(orders_));
    ASSERT_NO_FATAL_FAILURE(Start(arguments));
    auto client = TlsClient::Open(tlsbridge().address());
    ASSERT_TRUE(client.ok()) << client.status();
    ASSERT_EQ(Reversed(*client), "cba\n");
    backend_->process().SendSignal(SIGKILL);  // its kernel sends a FIN, and nobody a close_notify
    EXPECT_EQ(client->ReadToEnd().value_or(""), "");
    end_ = client->end();
    (void)client->SendCloseNotify();
    client->socket().Close();
    const auto ended = tlsbridge().WaitForConnections(1);
    ASSERT_EQ(ended.size(), 1u);
    reason_ = ended[0]["reason"];
  }

  TlsEnd end_ = TlsEnd::kOpen;
  std::string reason_;
};

TEST_F(CutOffBackendTest, LooksCompleteToNobody) {
  ASSERT_NO_FATAL_FAILURE(CutOff({}));
  EXPECT_EQ(end_, TlsEnd::kReset);
  EXPECT_EQ(reason_, "backend_truncated");
}

TEST_F(CutOffBackendTest, LooksCompleteToNobodyWhateverIsAllowedToClients) {
  ASSERT_NO_FATAL_FAILURE(CutOff({"--truncation=fin"}));
  EXPECT_EQ(end_, TlsEnd::kReset);
  EXPECT_EQ(reason_, "backend_truncated");
}

TEST_F(CutOffBackendTest, IsAnEndLikeAnyOtherWhereThatIsAllowed) {
  ASSERT_NO_FATAL_FAILURE(CutOff({"--backend-truncation=fin"}));
  EXPECT_EQ(end_, TlsEnd::kCloseNotify);
  EXPECT_EQ(reason_, "closed_outgoing");
}

// Behind the program under test another one ends the second TLS.
class ReencryptionHalfCloseTest : public ReencryptionTest {
 protected:
  void StartBoth(const TcpBackend& backend) {
    const CertificateFiles files = backends_.Issue(orders_);
    auto second = Tlsbridge::Start({.arguments = {"--backend", backend.address(), "--cert",
                                                  files.certificate, "--key", files.key}});
    ASSERT_TRUE(second.ok()) << second.status();
    second_ = *std::move(second);
    ASSERT_NO_FATAL_FAILURE(StartSidecar(
        second_->address(),
        {"--backend-ca", backends_.authority_certificate(), "--backend-name", "orders"}));
  }
  // Both agree on how it ended.
  void ExpectEnd(const std::string& reason) {
    for (Tlsbridge* one : {&tlsbridge(), second_.get()}) {
      const auto ended = one->WaitForConnections(1);
      ASSERT_EQ(ended.size(), 1u);
      EXPECT_EQ(ended[0]["reason"], reason) << ended[0];
      EXPECT_FALSE(ended[0].contains("bytes_dropped"));
    }
    EXPECT_EQ(second_->Stop(), 0);
  }

  std::unique_ptr<Tlsbridge> second_;
};

constexpr size_t kAnswerBytes = 1'000'000;

TEST_F(ReencryptionHalfCloseTest, TheClientEndsFirstAndReceivesTheWholeAnswer) {
  TcpBackend backend([](Socket& connection) {
    const auto question = connection.ReadToEnd();
    if (question.ok()) (void)connection.Write(*question + Payload(kAnswerBytes));
  });
  ASSERT_NO_FATAL_FAILURE(StartBoth(backend));
  auto client = TlsClient::Open(tlsbridge().address());
  ASSERT_TRUE(client.ok()) << client.status();
  ASSERT_TRUE(client->Write("question").ok());
  ASSERT_TRUE(client->SendCloseNotify().ok());
  EXPECT_EQ(client->ReadToEnd().value_or(""), "question" + Payload(kAnswerBytes));
  EXPECT_EQ(client->end(), TlsEnd::kCloseNotify);
  ExpectEnd("closed_incoming");
}

TEST_F(ReencryptionHalfCloseTest, TheBackendEndsFirstAndReceivesTheRest) {
  std::promise<std::string> received;
  TcpBackend backend([&received](Socket& connection) {
    (void)connection.Write("answer");
    connection.ShutdownWrite();
    received.set_value(connection.ReadToEnd().value_or("failed"));
  });
  ASSERT_NO_FATAL_FAILURE(StartBoth(backend));
  auto client = TlsClient::Open(tlsbridge().address());
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_EQ(client->ReadToEnd().value_or("failed"), "answer");
  EXPECT_EQ(client->end(), TlsEnd::kCloseNotify);
  ASSERT_TRUE(client->Write(Payload(kAnswerBytes)).ok());
  ASSERT_TRUE(client->SendCloseNotify().ok());
  EXPECT_EQ(received.get_future().get(), Payload(kAnswerBytes));
  ExpectEnd("closed_outgoing");
}

TEST_F(ReencryptionTest, ABackendIsAskedForTheNameThatItGoesBy) {
  const CertificateFiles files = backends_.Issue(orders_);
  ASSERT_NO_FATAL_FAILURE(StartBackend(orders_, {"-servername", "inner", "-servername_fatal",
                                                 "-cert2", files.certificate, "-key2", files.key}));
  ASSERT_NO_FATAL_FAILURE(Start({"--backend-sni", "inner"}));
  auto client = TlsClient::Open(tlsbridge().address());
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_EQ(Reversed(*client), "cba\n");
}

}  // namespace
}  // namespace tlsbridge::e2e
