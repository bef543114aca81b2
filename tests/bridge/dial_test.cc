// What it costs to connect: on loopback the connection stands when the call returns, and nothing is
// asked of the kernel that it does for nobody there.

#include "bridge/dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "absl/cleanup/cleanup.h"
#include "gtest/gtest.h"
#include "tests/support/peer.h"

namespace tlsbridge {
namespace {

using testing::ListeningPeer;

int Option(int fd, int level, int name) {
  int value = -1;
  socklen_t length = sizeof(value);
  EXPECT_EQ(getsockopt(fd, level, name, &value, &length), 0);
  return value;
}

// The same place by an address that is none of loopback's.
SocketAddress AsIfRemote(const SocketAddress& address) {
  return *SocketAddress::Parse("0.0.0.0:" + std::to_string(address.port()));
}

TEST(DialTest, OnLoopbackTheConnectionStandsAtOnce) {
  ListeningPeer backend;
  const DialResult dialled = Dial(backend.address(), TcpOptions());
  const absl::Cleanup close_fd = [&] { close(dialled.fd); };
  EXPECT_TRUE(dialled.connected);
  EXPECT_NE(backend.Accept(), nullptr);
}

TEST(DialTest, OnLoopbackARefusalIsKnownAtOnce) {
  const SocketAddress nobody = ListeningPeer().address();
  const DialResult dialled = Dial(nobody, TcpOptions());
  EXPECT_EQ(dialled.fd, -1);
  EXPECT_EQ(dialled.error, ECONNREFUSED);
}

TEST(DialTest, ElsewhereItIsWaitedFor) {
  ListeningPeer backend;
  const DialResult dialled = Dial(AsIfRemote(backend.address()), TcpOptions());
  const absl::Cleanup close_fd = [&] { close(dialled.fd); };
  EXPECT_GE(dialled.fd, 0);
  EXPECT_FALSE(dialled.connected);
}

TEST(DialTest, OnLoopbackNobodyIsProbedButAPeerThatTakesNothingIsGivenUpAllTheSame) {
  ListeningPeer backend;
  for (const bool remote : {false, true}) {
    const SocketAddress& address = remote ? AsIfRemote(backend.address()) : backend.address();
    const DialResult dialled = Dial(address, TcpOptions());
    const absl::Cleanup close_fd = [&] { close(dialled.fd); };
    EXPECT_EQ(Option(dialled.fd, SOL_SOCKET, SO_KEEPALIVE), remote ? 1 : 0);
    EXPECT_EQ(Option(dialled.fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 600'000);
    EXPECT_EQ(Option(dialled.fd, IPPROTO_TCP, TCP_NODELAY), 1);
  }
}

}  // namespace
}  // namespace tlsbridge
