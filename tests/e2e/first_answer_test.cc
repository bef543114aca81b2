// How soon a client that does not set TCP_NODELAY, as many do not, has its first answer.

#include <openssl/ssl.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/tls_client.h"

namespace tlsbridge::e2e {
namespace {

using Milliseconds = std::chrono::duration<double, std::milli>;

bssl::UniquePtr<SSL_SESSION>* newest_ticket = nullptr;

class FirstAnswerTest : public TlsbridgeTest,
                        public testing::WithParamInterface<std::tuple<int, bool>> {
 protected:
  bool resumes() const { return std::get<1>(GetParam()); }

  // A connection, a byte each way: from the end of the handshake to the answer.
  Milliseconds Visit(bool resume) {
    auto client = TlsClient::Connect(tlsbridge().address(), {.version = std::get<0>(GetParam())});
    EXPECT_TRUE(client.ok()) << client.status();
    SSL_CTX* const context = SSL_get_SSL_CTX(client->ssl());
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, [](SSL*, SSL_SESSION* session) {
      newest_ticket->reset(session);
      return 1;
    });
    if (resume) SSL_set_session(client->ssl(), ticket_.get());
    EXPECT_TRUE(client->Handshake().ok());
    EXPECT_EQ(SSL_session_reused(client->ssl()), resume);
    const auto asked = std::chrono::steady_clock::now();
    EXPECT_TRUE(client->Write("x").ok());
    EXPECT_EQ(client->ReadExactly(1).value_or("nothing"), "x");
    return std::chrono::steady_clock::now() - asked;
  }

  bssl::UniquePtr<SSL_SESSION> ticket_;
  TcpBackend backend_{EchoBytes};
};

TEST_P(FirstAnswerTest, DoesNotWaitForTheKernelsDelayedAcknowledgement) {
  newest_ticket = &ticket_;
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend_.address()));
  if (resumes()) Visit(/*resume=*/false);
  std::vector<double> took;
  for (int i = 0; i < 15; ++i) took.push_back(Visit(resumes()).count());
  std::sort(took.begin(), took.end());
  // The delay is 40 ms, and the quickest of these has no other reason to wait.
  EXPECT_LT(took.front(), 20) << "median " << took[took.size() / 2];
}

INSTANTIATE_TEST_SUITE_P(Handshakes, FirstAnswerTest,
                         testing::Combine(testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                                          testing::Bool()),
                         [](const auto& info) {
                           const bool old = std::get<0>(info.param) == TLS1_2_VERSION;
                           return std::string(old ? "Tls12" : "Tls13") +
                                  (std::get<1>(info.param) ? "Resumed" : "Full");
                         });

}  // namespace
}  // namespace tlsbridge::e2e
