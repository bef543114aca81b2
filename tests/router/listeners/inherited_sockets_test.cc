// Which socket is whose, and which is nobody's.

#include "router/listeners/inherited_sockets.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Use = InheritedSockets::Use;

SocketAddress At(const std::string& text) { return *SocketAddress::Parse(text); }

struct Bound {
  int fd;
  SocketAddress address;
};

Bound Listening(const std::string& text = "127.0.0.1:0", int type = SOCK_STREAM) {
  const SocketAddress wanted = At(text);
  const int fd = socket(wanted.family(), type, 0);
  EXPECT_EQ(bind(fd, wanted.get(), wanted.length()), 0);
  if (type == SOCK_STREAM) {
    EXPECT_EQ(listen(fd, 8), 0);
  }
  return {fd, SocketAddress::LocalOf(fd)};
}

Config Told(std::vector<Listener> listeners) {
  Config config;
  config.listeners = std::move(listeners);
  return config;
}

std::string Said(const absl::Status& status) { return std::string(status.message()); }

int FdOf(const std::unique_ptr<ListeningSocket>& socket) {
  return socket == nullptr ? -1 : socket->fd();
}

TEST(InheritedSockets, OneOfSystemdsIsForTheListenerThatIsToldItsAddress) {
  const Bound socket = Listening();
  InheritedSockets inherited;
  ASSERT_TRUE(inherited.AddFromSystemd(socket.fd, "tlsbridge.socket").ok());
  ASSERT_TRUE(inherited.Assign(Told({{At("127.0.0.1:1")}, {socket.address}})).ok());
  EXPECT_EQ(inherited.Take(Use::kListener, At("127.0.0.1:1")), nullptr);
  EXPECT_EQ(inherited.Take(Use::kAdmin, socket.address), nullptr);
  const auto taken = inherited.Take(Use::kListener, socket.address);
  EXPECT_EQ(FdOf(taken), socket.fd);
  EXPECT_EQ(inherited.Take(Use::kListener, socket.address), nullptr) << "it is one";
}

TEST(InheritedSockets, ANameChoosesAmongSocketsThatTheAddressCannotTellApart) {
  const Bound one = Listening();
  const Bound two = Listening();
  InheritedSockets inherited;
  ASSERT_TRUE(inherited.AddFromSystemd(one.fd, "one").ok());
  ASSERT_TRUE(inherited.AddFromSystemd(two.fd, "two").ok());
  const SocketAddress any = At("127.0.0.1:0");
  ASSERT_TRUE(inherited.Assign(Told({{any, "two"}, {any, "one"}})).ok());
  const auto first = inherited.Take(Use::kListener, any);
  const auto second = inherited.Take(Use::kListener, any);
  EXPECT_THAT((std::vector{FdOf(first), FdOf(second)}),
              ::testing::UnorderedElementsAre(one.fd, two.fd));
}

TEST(InheritedSockets, APortThatTheKernelChoseIsNotTakenForAnyPort) {
  const Bound socket = Listening();
  InheritedSockets inherited;
  ASSERT_TRUE(inherited.AddFromSystemd(socket.fd, "").ok());
  EXPECT_THAT(Said(inherited.Assign(Told({{At("127.0.0.1:0")}}))),
              AllOf(HasSubstr(socket.address.ToString()), HasSubstr("matches no listener"),
                    HasSubstr("remove the socket from the socket unit")));
}

TEST(InheritedSockets, ANameWhoseListenerIsToldAnotherAddressIsNamed) {
  const Bound socket = Listening();
  InheritedSockets inherited;
  ASSERT_TRUE(inherited.AddFromSystemd(socket.fd, "web").ok());
  EXPECT_THAT(Said(inherited.Assign(Told({{At("127.0.0.1:9"), "web"}}))),
              AllOf(HasSubstr("named 'web'"), HasSubstr("has the address 127.0.0.1:9")));
}

TEST(InheritedSockets, TheAdminServersIsFoundByItsName) {
  const Bound socket = Listening();
  InheritedSockets inherited;
  ASSERT_TRUE(inherited.AddFromSystemd(socket.fd, "admin").ok());
  Config config;
  config.admin = At("127.0.0.1:0");
  ASSERT_TRUE(inherited.Assign(config).ok());
  EXPECT_EQ(FdOf(inherited.Take(Use::kAdmin, *config.admin)), socket.fd);
}

TEST(InheritedSockets, WhatCannotAcceptIsRefusedAndSaysWhy) {
  InheritedSockets inherited;
  EXPECT_THAT(Said(inherited.AddFromSystemd(Listening("127.0.0.1:0", SOCK_DGRAM).fd, "udp")),
              AllOf(HasSubstr("named 'udp'"), HasSubstr("is not a stream socket"),
                    HasSubstr("ListenStream=")));
  EXPECT_THAT(Said(inherited.AddFromSystemd(socket(AF_INET, SOCK_STREAM, 0), "")),
              HasSubstr("is not listening"));
  EXPECT_THAT(Said(inherited.AddFromSystemd(open("/dev/null", O_RDONLY), "")),
              HasSubstr("is not a socket"));
  EXPECT_THAT(Said(inherited.AddFromSystemd(987654, "")), HasSubstr("is not open"));
}

TEST(InheritedSockets, ThoseOfAPredecessorAreTakenInItsOrderByWhatItWasTold) {
  const SocketAddress any = At("127.0.0.1:0");
  const Bound one = Listening();
  const Bound two = Listening();
  const Bound gone = Listening("unix:@gone");
  InheritedSockets inherited;
  ASSERT_TRUE(inherited.AddFromPredecessor(one.fd, Use::kListener, any).ok());
  ASSERT_TRUE(inherited.AddFromPredecessor(gone.fd, Use::kListener, gone.address).ok());
  ASSERT_TRUE(inherited.AddFromPredecessor(two.fd, Use::kListener, any).ok());
  ASSERT_TRUE(inherited.Assign(Told({{any}, {any}})).ok()) << "what is not wanted is no mistake";
  const auto first = inherited.Take(Use::kListener, any);
  const auto second = inherited.Take(Use::kListener, any);
  EXPECT_EQ(FdOf(first), one.fd);
  EXPECT_EQ(FdOf(second), two.fd);
  EXPECT_THAT(inherited.taken(), ElementsAre(true, false, true));
  inherited.CloseRest();
  EXPECT_LT(fcntl(gone.fd, F_GETFD), 0);
  EXPECT_NE(fcntl(first->fd(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_NE(fcntl(first->fd(), F_GETFL) & O_NONBLOCK, 0);
}

TEST(InheritedSockets, APredecessorsSocketMustBeWhereItSays) {
  InheritedSockets inherited;
  EXPECT_THAT(Said(inherited.AddFromPredecessor(Listening().fd, Use::kListener, At("127.0.0.2:0"))),
              HasSubstr("listens on another address"));
  EXPECT_THAT(inherited.taken(), IsEmpty());
}

TEST(InheritedSockets, APathStaysUntilItIsSaidToBeOurs) {
  char folder[] = "/tmp/tlsbridge-XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  const std::string path = std::string(folder) + "/s";
  const Bound socket = Listening("unix:" + path);
  ListeningSocket::Adopt(dup(socket.fd)).reset();
  EXPECT_EQ(access(path.c_str(), F_OK), 0);
  ListeningSocket::Adopt(dup(socket.fd), /*inherits_path=*/true).reset();
  EXPECT_EQ(access(path.c_str(), F_OK), 0);
  auto adopted = ListeningSocket::Adopt(socket.fd, /*inherits_path=*/true);
  adopted->TakePath();
  adopted.reset();
  EXPECT_NE(access(path.c_str(), F_OK), 0);
  rmdir(folder);
}

}  // namespace
}  // namespace tlsbridge
