// A client that ends its half of the stream and still gets the whole answer: with gnutls-cli, which
// does so when its standard input ends, and with a client of the test's own.

#include <future>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/harness/payload.h"
#include "tests/e2e/harness/process.h"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/tls_client.h"

namespace tlsbridge::e2e {
namespace {

using ::testing::HasSubstr;

constexpr size_t kAnswerBytes = 1'000'000;

// Answers only when the question has ended.
void AnswerAtTheEnd(Socket& connection) {
  const auto question = connection.ReadToEnd();
  if (!question.ok()) return;
  (void)connection.Write(absl::StrCat("you sent ", question->size(), " bytes\n"));
  (void)connection.Write(Payload(kAnswerBytes));
}

// gnutls-cli prints the answer, so that it must be text.
void AnswerWithText(Socket& connection) {
  const auto question = connection.ReadToEnd();
  if (!question.ok()) return;
  (void)connection.Write(absl::StrCat("you sent ", question->size(), " bytes\n",
                                      std::string(kAnswerBytes, 'z'), "\nthe end\n"));
}

class HalfCloseTest : public TlsbridgeTest {
 protected:
  void ExpectOrderlyEnd(const std::string& version) {
    const auto ended = tlsbridge().WaitForConnections(1);
    ASSERT_EQ(ended.size(), 1u);
    EXPECT_EQ(ended[0]["reason"], "closed_incoming") << ended[0];
    EXPECT_EQ(ended[0]["incoming"], "normal");
    EXPECT_EQ(ended[0]["outgoing"], "socket_end");
    EXPECT_EQ(ended[0]["tls"], version);
    EXPECT_FALSE(ended[0].contains("bytes_dropped"));
  }
};

struct GnutlsVersion {
  const char* name;
  const char* priority;
  const char* description;
  const char* logged;
};

class GnutlsHalfCloseTest : public HalfCloseTest,
                            public testing::WithParamInterface<GnutlsVersion> {};

TEST_P(GnutlsHalfCloseTest, EndsItsHalfAndReceivesTheWholeAnswer) {
  TcpBackend backend(AnswerWithText);
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend.address()));
  auto process = Process::Start(
      {.argv = {"bash", "-c", "printf question | exec gnutls-cli \"$@\"", "gnutls-cli",
                "--x509cafile", certificates().authority_certificate(), "--priority",
                GetParam().priority, "--port", absl::StrCat(tlsbridge().Port()), "localhost"}});
  ASSERT_TRUE(process.ok()) << process.status();
  EXPECT_EQ((*process)->WaitForExit(), 0) << (*process)->StderrText();
  const std::string output = (*process)->StdoutText();
  EXPECT_THAT(output, HasSubstr("The certificate is trusted"));
  EXPECT_THAT(output, HasSubstr(GetParam().description));
  EXPECT_THAT(output, HasSubstr("you sent 8 bytes"));
  EXPECT_THAT(output, HasSubstr("the end"));
  ExpectOrderlyEnd(GetParam().logged);
}

INSTANTIATE_TEST_SUITE_P(
    Versions, GnutlsHalfCloseTest,
    testing::Values(GnutlsVersion{"Tls12", "NORMAL:-VERS-ALL:+VERS-TLS1.2", "(TLS1.2-", "TLSv1.2"},
                    GnutlsVersion{"Tls13", "NORMAL:-VERS-ALL:+VERS-TLS1.3", "(TLS1.3-", "TLSv1.3"}),
    [](const auto& info) { return std::string(info.param.name); });

class ClientHalfCloseTest : public HalfCloseTest, public testing::WithParamInterface<int> {};

TEST_P(ClientHalfCloseTest, CloseNotifyEndsTheQuestionAndTheAnswerArrivesWhole) {
  TcpBackend backend(AnswerAtTheEnd);
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend.address()));
  auto client = TlsClient::Open(tlsbridge().address(), {.version = GetParam()});
  ASSERT_TRUE(client.ok()) << client.status();
  ASSERT_TRUE(client->Write(std::string(300'000, 'q')).ok());
  ASSERT_TRUE(client->SendCloseNotify().ok());
  const auto answer = client->ReadToEnd();
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(client->end(), TlsEnd::kCloseNotify);
  EXPECT_EQ(Checksum(*answer), Checksum("you sent 300000 bytes\n" + Payload(kAnswerBytes)));
  client->socket().Close();
  ExpectOrderlyEnd(GetParam() == TLS1_2_VERSION ? "TLSv1.2" : "TLSv1.3");
}

TEST_P(ClientHalfCloseTest, FinBehindCloseNotifyChangesNothing) {
  TcpBackend backend(AnswerAtTheEnd);
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend.address()));
  auto client = TlsClient::Open(tlsbridge().address(), {.version = GetParam()});
  ASSERT_TRUE(client.ok()) << client.status();
  ASSERT_TRUE(client->Write("question").ok());
  ASSERT_TRUE(client->SendCloseNotify().ok());
  client->socket().ShutdownWrite();
  const auto answer = client->ReadToEnd();
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(client->end(), TlsEnd::kCloseNotify);
  EXPECT_EQ(Checksum(*answer), Checksum("you sent 8 bytes\n" + Payload(kAnswerBytes)));
  client->socket().Close();
  ExpectOrderlyEnd(GetParam() == TLS1_2_VERSION ? "TLSv1.2" : "TLSv1.3");
}

TEST_P(ClientHalfCloseTest, TheBackendsEndReachesTheClientWhichMayGoOnSending) {
  std::promise<std::string> late;
  TcpBackend backend([&late](Socket& connection) {
    (void)connection.Write("goodbye");
    connection.ShutdownWrite();
    late.set_value(connection.ReadToEnd().value_or("cut short"));
  });
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend.address()));
  auto client = TlsClient::Open(tlsbridge().address(), {.version = GetParam()});
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_EQ(client->ReadToEnd().value_or("failed"), "goodbye");
  EXPECT_EQ(client->end(), TlsEnd::kCloseNotify);
  const std::string last_words(300'000, 'w');
  ASSERT_TRUE(client->Write(last_words).ok());
  ASSERT_TRUE(client->SendCloseNotify().ok());
  client->socket().ShutdownWrite();
  EXPECT_EQ(late.get_future().get().size(), last_words.size());
  const auto ended = tlsbridge().WaitForConnections(1);
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0]["reason"], "closed_outgoing");
  EXPECT_EQ(ended[0]["incoming"], "proxy_end");
  EXPECT_EQ(ended[0]["outgoing"], "proxy_end");
}

INSTANTIATE_TEST_SUITE_P(Versions, ClientHalfCloseTest,
                         testing::Values(TLS1_2_VERSION, TLS1_3_VERSION), [](const auto& info) {
                           return info.param == TLS1_2_VERSION ? "Tls12" : "Tls13";
                         });

}  // namespace
}  // namespace tlsbridge::e2e
