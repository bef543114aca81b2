// Listeners that come and go, while the thread that accepts is busy with something else.

#include "router/listeners/listeners.h"

#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <utility>
#include <vector>

#include "bridge/event/clock.h"
#include "gtest/gtest.h"
#include "tests/support/peer.h"

namespace tlsbridge::testing {
namespace {

std::shared_ptr<const LiveConfig> Blocking() {
  Config config;
  config.routes.push_back({.name = "none", .action = RouteAction::kBlock});
  auto live = LiveConfig::Assemble(std::move(config), {RouteTls()}, nullptr, absl::UnixEpoch());
  EXPECT_TRUE(live.ok()) << live.status();
  return *live;
}

class ListenersTest : public ::testing::Test {
 protected:
  static Listener At(const std::string& address) {
    return {.address = *SocketAddress::Parse(address)};
  }
  // The accepting thread gets to what it was told.
  void Turn() {
    for (int i = 0; i < 3; ++i) loop_->Turn(/*wait=*/false);
  }
  // What a reload does.
  absl::Status Want(const std::vector<Listener>& wanted) {
    const absl::Status status = listeners_.Open(wanted);
    if (!status.ok()) return status;
    listeners_.CloseOthers(wanted, [this] { ++told_closed_; });
    listeners_.Start();
    return status;
  }
  static bool IsListening(const SocketAddress& address) {
    const int fd = socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool connected = connect(fd, address.get(), address.length()) == 0;
    close(fd);
    return connected;
  }

  ManualClock clock_;
  std::unique_ptr<EventLoop> loop_ = *EventLoop::Create(&clock_);
  Admission admission_{Limits(), /*budget=*/100};
  HandshakeLimit handshake_limit_{/*limit=*/1000};
  FailureFolder folder_;
  // Never started: whom it is given waits.
  std::unique_ptr<Worker> worker_ =
      *Worker::Create(Blocking(), &admission_, &handshake_limit_, &folder_, &clock_, /*index=*/0,
                      /*workers=*/1);
  Listeners listeners_{loop_.get(), {worker_.get()}};
  int told_closed_ = 0;
};

TEST_F(ListenersTest, OneThatIsNotWantedAnyMoreIsClosedOnceTheThreadGetsToIt) {
  ASSERT_TRUE(Want({At("127.0.0.1:0"), At("127.0.0.2:0")}).ok());
  Turn();
  const std::vector<SocketAddress> addresses = listeners_.addresses();
  ASSERT_EQ(addresses.size(), 2u);
  ASSERT_TRUE(Want({At("127.0.0.1:0")}).ok());
  EXPECT_EQ(listeners_.addresses(), std::vector<SocketAddress>{addresses[0]});
  EXPECT_TRUE(IsListening(addresses[1]));
  Turn();
  EXPECT_EQ(told_closed_, 2);
  EXPECT_TRUE(IsListening(addresses[0]));
  EXPECT_FALSE(IsListening(addresses[1]));
}

TEST_F(ListenersTest, OneThatIsWantedAgainBeforeItIsClosedStaysOpen) {
  ASSERT_TRUE(Want({At("127.0.0.1:0")}).ok());
  Turn();
  const std::vector<SocketAddress> before = listeners_.addresses();
  ASSERT_TRUE(Want({}).ok());
  EXPECT_TRUE(listeners_.addresses().empty());
  ASSERT_TRUE(Want({At("127.0.0.1:0")}).ok());
  EXPECT_EQ(listeners_.addresses(), before) << "the same port: it was never closed";
  Turn();
  EXPECT_EQ(told_closed_, 3);
  EXPECT_TRUE(IsListening(before[0]));
  EXPECT_EQ(listeners_.addresses(), before);
}

TEST_F(ListenersTest, OneThatIsTakenAwayTwiceIsClosedOnce) {
  ASSERT_TRUE(Want({At("127.0.0.1:0")}).ok());
  Turn();
  const std::vector<SocketAddress> before = listeners_.addresses();
  ASSERT_TRUE(Want({}).ok());
  ASSERT_TRUE(Want({At("127.0.0.1:0")}).ok());
  ASSERT_TRUE(Want({}).ok());
  Turn();
  EXPECT_FALSE(IsListening(before[0]));
  ASSERT_TRUE(Want({At("127.0.0.1:0")}).ok());
  EXPECT_EQ(listeners_.addresses().size(), 1u);
  EXPECT_TRUE(IsListening(listeners_.addresses()[0]));
}

TEST_F(ListenersTest, OneMayBecomeWiderOrNarrowerWhoeverHasQueuedIsTaken) {
  ASSERT_TRUE(Want({At("127.0.0.1:0")}).ok());
  Turn();
  const std::string port = std::to_string(listeners_.addresses()[0].port());
  ASSERT_TRUE(Want({At("0.0.0.0:" + port)}).ok());
  Turn();
  EXPECT_EQ(listeners_.addresses().size(), 1u);
  EXPECT_TRUE(IsListening(*SocketAddress::Parse("127.0.0.2:" + port)));
  ASSERT_TRUE(Want({At("127.0.0.1:" + port)}).ok());
  Turn();
  EXPECT_TRUE(IsListening(*SocketAddress::Parse("127.0.0.1:" + port)));
  EXPECT_FALSE(IsListening(*SocketAddress::Parse("127.0.0.2:" + port)));
  EXPECT_FALSE(ListeningSocket::Open(*SocketAddress::Parse("127.0.0.1:" + port)).ok())
      << "nobody else may share it";
}

TEST_F(ListenersTest, AnAddressThatIsTakenChangesNothing) {
  const ListeningPeer other;
  ASSERT_TRUE(Want({At("127.0.0.1:0")}).ok());
  Turn();
  const std::vector<SocketAddress> before = listeners_.addresses();
  ASSERT_TRUE(Want({}).ok());
  EXPECT_FALSE(Want({At("127.0.0.1:0"), {.address = other.address()}}).ok());
  EXPECT_TRUE(listeners_.addresses().empty()) << "it goes all the same";
  Turn();
  EXPECT_FALSE(IsListening(before[0]));
}

}  // namespace
}  // namespace tlsbridge::testing
