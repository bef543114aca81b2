#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/harness/http_backend.h"
#include "tests/e2e/harness/payload.h"
#include "tests/e2e/harness/socket.h"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/temp_dir.h"

namespace tlsbridge::e2e {
namespace {

// The body of the next response.
std::string ReadResponse(Socket& socket) {
  const absl::StatusOr<std::string> head = socket.ReadUntil("\r\n\r\n");
  if (!head.ok()) return head.status().ToString();
  const std::string name = "Content-Length: ";
  const size_t bytes = std::stoul(head->substr(head->find(name) + name.size()));
  return socket.ReadExactly(bytes).value_or("too short");
}

enum class Family { kIpv4, kIpv6, kUnix };

class BackendTest : public testing::TestWithParam<Family> {
 protected:
  std::string Listen() const {
    if (GetParam() == Family::kUnix) return absl::StrCat("unix:", dir_.PathOf("socket"));
    return GetParam() == Family::kIpv6 ? "[::1]:0" : "127.0.0.1:0";
  }

 private:
  TempDir dir_;
};

TEST_P(BackendTest, TcpBackendRunsTheScriptForEachConnection) {
  TcpBackend backend(
      [](Socket& connection) {
        const auto line = connection.ReadUntil("\n");
        ASSERT_TRUE(line.ok()) << line.status();
        ASSERT_TRUE(connection.Write(absl::StrCat("you said ", *line)).ok());
      },
      Listen());
  for (int i = 1; i <= 3; ++i) {
    auto client = Socket::Connect(backend.address());
    ASSERT_TRUE(client.ok()) << client.status();
    ASSERT_TRUE(client->Write("hello\n").ok());
    EXPECT_EQ(client->ReadToEnd().value_or("error"), "you said hello\n");
    EXPECT_EQ(backend.connections_accepted(), i);
  }
}

TEST_P(BackendTest, HttpBackendEchoesOverOneConnection) {
  HttpBackend backend(Listen());
  auto client = Socket::Connect(backend.address());
  ASSERT_TRUE(client.ok()) << client.status();
  for (int i = 1; i <= 2; ++i) {
    ASSERT_TRUE(client->Write("POST /x HTTP/1.1\r\nA-b: c d\r\nContent-Length: 3\r\n\r\nabc").ok());
    const auto echo = nlohmann::json::parse(ReadResponse(*client));
    EXPECT_EQ(echo["method"], "POST");
    EXPECT_EQ(echo["path"], "/x");
    EXPECT_EQ(echo["headers"]["a-b"], "c d");
    EXPECT_EQ(echo["body_bytes"], 3);
    EXPECT_EQ(echo["connection"], 1);
    EXPECT_EQ(echo["request"], i);
  }
  EXPECT_EQ(backend.requests_received(), 2);
}

INSTANTIATE_TEST_SUITE_P(Families, BackendTest,
                         testing::Values(Family::kIpv4, Family::kIpv6, Family::kUnix),
                         [](const auto& info) {
                           switch (info.param) {
                             case Family::kIpv4:
                               return "Ipv4";
                             case Family::kIpv6:
                               return "Ipv6";
                             case Family::kUnix:
                               return "Unix";
                           }
                           return "";
                         });

TEST(TcpBackendTest, DestructorEndsWaitingConnections) {
  Socket client(UniqueFd{});
  {
    TcpBackend backend([](Socket& connection) {
      ASSERT_TRUE(connection.Write("ready").ok());
      EXPECT_FALSE(connection.ReadToEnd().ok());
      EXPECT_EQ(connection.last_errno(), ECANCELED);
    });
    client = Socket::Connect(backend.address()).value();
    ASSERT_EQ(client.ReadExactly(5).value_or("error"), "ready");
  }
  EXPECT_EQ(client.ReadToEnd().value_or("error"), "");
}

TEST(SocketTest, SeesHalfCloseAndReset) {
  TcpBackend backend([](Socket& connection) {
    EXPECT_EQ(connection.ReadToEnd().value_or("error"), "bye");
    ASSERT_TRUE(connection.Write("still here").ok());
    // Linux lets the client read what came before the reset.
    connection.Reset();
  });
  auto client = Socket::Connect(backend.address());
  ASSERT_TRUE(client.ok()) << client.status();
  ASSERT_TRUE(client->Write("bye").ok());
  client->ShutdownWrite();
  EXPECT_EQ(client->ReadExactly(10).value_or("error"), "still here");
  EXPECT_FALSE(client->ReadToEnd().ok());
  EXPECT_EQ(client->last_errno(), ECONNRESET);
}

TEST(SocketTest, ReadMeetsItsDeadline) {
  TcpBackend backend([](Socket& connection) { (void)connection.ReadToEnd(); });
  auto client = Socket::Connect(backend.address());
  ASSERT_TRUE(client.ok()) << client.status();
  client->set_timeout(absl::Milliseconds(1));
  EXPECT_FALSE(client->ReadSome().ok());
  EXPECT_EQ(client->last_errno(), ETIMEDOUT);
}

TEST(HttpBackendTest, MovesMegabytesUnchanged) {
  HttpBackend backend;
  auto client = Socket::Connect(backend.address());
  ASSERT_TRUE(client.ok()) << client.status();
  const std::string payload = Payload(3'000'000);
  ASSERT_TRUE(client->Write("GET /download/3000000 HTTP/1.1\r\n\r\n").ok());
  EXPECT_TRUE(ReadResponse(*client) == payload);
  ASSERT_TRUE(client
                  ->Write(absl::StrCat("PUT /upload HTTP/1.1\r\nConnection: close\r\n",
                                       "Content-Length: 3000000\r\n\r\n", payload))
                  .ok());
  const auto answer = nlohmann::json::parse(ReadResponse(*client));
  EXPECT_EQ(answer["bytes"], 3'000'000);
  EXPECT_EQ(answer["checksum"], Checksum(payload));
  EXPECT_EQ(client->ReadToEnd().value_or("error"), "");
}

TEST(HttpBackendTest, RefusesWhatItDoesNotUnderstand) {
  HttpBackend backend;
  auto client = Socket::Connect(backend.address());
  ASSERT_TRUE(client.ok()) << client.status();
  ASSERT_TRUE(client->Write("nonsense\r\n\r\n").ok());
  EXPECT_EQ(client->ReadUntil(" 400 ").value_or("error"), "HTTP/1.1 400 ");
}

TEST(PayloadTest, ChecksumDependsOnOrderAndSeedOnContent) {
  EXPECT_EQ(Checksum(""), "cbf29ce484222325");
  EXPECT_NE(Checksum("ab"), Checksum("ba"));
  EXPECT_NE(Payload(100, 1), Payload(100, 2));
  EXPECT_EQ(Payload(13), Payload(100).substr(0, 13));
}

}  // namespace
}  // namespace tlsbridge::e2e
