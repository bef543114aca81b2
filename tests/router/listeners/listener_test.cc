// Listening: what is left over from before is replaced, what lives is respected, and running out of
// descriptors neither spins nor stops for good.

#include "router/listeners/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bridge/event/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "router/log/libevent_log.h"
#include "tests/support/failing_system.h"
#include "tests/support/few_descriptors.h"
#include "tests/support/log_capture.h"
#include "tests/support/peer.h"

namespace tlsbridge {
namespace {

using ::testing::AllOf;
using testing::FewDescriptors;
using ::testing::HasSubstr;
using testing::LogCapture;
using testing::NoAccepting;
using testing::NoWatches;
using testing::Peer;
using testing::StreamEnd;

SocketAddress At(const std::string& text) { return *SocketAddress::Parse(text); }

std::unique_ptr<ListeningSocket> Open(const SocketAddress& address) {
  auto socket = ListeningSocket::Open(address);
  EXPECT_TRUE(socket.ok()) << socket.status();
  return socket.ok() ? *std::move(socket) : nullptr;
}

std::string WhyNot(const SocketAddress& address) {
  const auto socket = ListeningSocket::Open(address);
  return socket.ok() ? "" : std::string(socket.status().message());
}

bool Exists(const std::string& path) {
  struct stat info;
  return lstat(path.c_str(), &info) == 0;
}

// ---- Addresses.

TEST(ListeningSocket, KnowsThePortThatTheKernelGave) {
  const auto socket = Open(At("127.0.0.1:0"));
  EXPECT_NE(socket->address().port(), 0);
}

TEST(ListeningSocket, RefusesAPortThatIsTakenAndSaysWhatToDo) {
  const auto first = Open(At("127.0.0.1:0"));
  EXPECT_THAT(WhyNot(first->address()), HasSubstr(first->address().ToString()));
  EXPECT_THAT(WhyNot(first->address()), HasSubstr("stop the program that listens there"));
}

TEST(ListeningSocket, RefusesAnAddressOfAnotherMachine) {
  EXPECT_THAT(WhyNot(At("192.0.2.1:0")), HasSubstr("no interface of this machine"));
}

TEST(ListeningSocket, OnAllOfIpv6LeavesIpv4ToOthers) {
  const auto v6 = ListeningSocket::Open(At("[::]:0"));
  if (!v6.ok()) GTEST_SKIP() << "no IPv6 here";
  EXPECT_NE(Open(At("0.0.0.0:" + std::to_string((*v6)->address().port()))), nullptr);
}

class UnixListener : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(mkdtemp(folder_), nullptr);
    path_ = std::string(folder_) + "/app.sock";
    address_ = At("unix:" + path_);
  }
  void TearDown() override {
    unlink(path_.c_str());
    rmdir(folder_);
  }

  char folder_[32] = "/tmp/tlsbridge-XXXXXX";  // a socket's name must be short
  std::string path_;
  SocketAddress address_;
};

TEST_F(UnixListener, ReplacesAPathOnWhichNobodyListensAnyMore) {
  { const testing::ListeningPeer crashed(address_); }
  ASSERT_TRUE(Exists(path_));
  const auto socket = Open(address_);
  ASSERT_NE(socket, nullptr);
  const auto client = Peer::Connect(address_);
  EXPECT_EQ(client->end(), StreamEnd::kOpen);
}

TEST_F(UnixListener, LeavesAPathAloneOnWhichSomebodyListens) {
  const testing::ListeningPeer alive(address_);
  EXPECT_THAT(WhyNot(address_), HasSubstr("stop the program that listens there"));
  EXPECT_TRUE(Exists(path_));
}

TEST_F(UnixListener, LeavesABusyListenersPathAlone) {
  const testing::ListeningPeer busy(address_, /*backlog=*/0);
  const auto filler = Peer::Connect(address_);
  EXPECT_THAT(WhyNot(address_), HasSubstr("stop the program that listens there"));
  EXPECT_TRUE(Exists(path_));
}

TEST_F(UnixListener, NeverRemovesAFileThatIsNoSocket) {
  close(open(path_.c_str(), O_CREAT | O_CLOEXEC | O_WRONLY, 0600));
  EXPECT_FALSE(WhyNot(address_).empty());
  EXPECT_TRUE(Exists(path_));
}

TEST_F(UnixListener, TakesItsPathAwayWhenItCloses) {
  Open(address_);
  EXPECT_FALSE(Exists(path_));
}

// ---- Accepting.

TEST_F(UnixListener, LeavesAPathAloneThatSomebodyElseHasTakenOver) {
  auto first = Open(address_);
  ASSERT_EQ(unlink(path_.c_str()), 0);
  const auto second = Open(address_);
  first.reset();
  EXPECT_TRUE(Exists(path_));
}

class AcceptorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    LogLibevent();
    socket_ = Open(At("127.0.0.1:0"));
    acceptor_ = std::make_unique<Acceptor>(
        loop_.get(), socket_.get(),
        [this](int fd, const SocketAddress&) { accepted_.push_back(fd); });
    ASSERT_TRUE(acceptor_->Start().ok());
  }
  void TearDown() override {
    for (const int fd : accepted_) close(fd);
  }

  void Connect(int clients) {
    for (int i = 0; i < clients; ++i) clients_.push_back(Peer::Connect(socket_->address()));
  }

  void Turn(int turns) {
    for (int i = 0; i < turns; ++i) loop_->Turn(/*wait=*/false);
  }

  // How often accepting was tried, and failed, within so many turns.
  int TriesIn(int turns) {
    int tries = 0;
    for (int i = 0; i < turns; ++i) {
      const bool was_paused = acceptor_->paused();
      loop_->Turn(/*wait=*/false);
      tries += acceptor_->paused() && !was_paused ? 1 : 0;
    }
    return tries;
  }

  LogCapture log_;
  ManualClock clock_;
  std::unique_ptr<EventLoop> loop_ = *EventLoop::Create(&clock_);
  std::unique_ptr<ListeningSocket> socket_;
  std::unique_ptr<Acceptor> acceptor_;
  std::vector<int> accepted_;
  std::vector<std::unique_ptr<Peer>> clients_;
  std::optional<FewDescriptors> few_descriptors_;
};

TEST_F(AcceptorTest, TakesABurstInSeveralTurnsSoThatOthersAreServedBetween) {
  Connect(100);
  Turn(1);
  EXPECT_EQ(accepted_.size(), 16u);
  Turn(6);
  EXPECT_EQ(accepted_.size(), 100u);
}

TEST_F(AcceptorTest, DoesNotAskForMoreWhereClientsAreFewAndFarBetween) {
  Turn(1);
  for (size_t clients = 1; clients <= 5; ++clients) {
    Connect(2);
    clock_.Advance(absl::Milliseconds(2));
    Turn(1);
    EXPECT_EQ(accepted_.size(), clients);
  }
}

TEST_F(AcceptorTest, TakesEverybodyBeforeTheListenerCloses) {
  Connect(100);
  acceptor_->AcceptAll();
  EXPECT_EQ(accepted_.size(), 100u);
}

class OutOfDescriptors : public AcceptorTest {
 protected:
  void SetUp() override {
#ifdef __SANITIZE_ADDRESS__
    GTEST_SKIP() << "the sanitizer needs descriptors for itself when something is logged";
#endif
    AcceptorTest::SetUp();
  }
};

TEST_F(OutOfDescriptors, ItPausesInsteadOfSpinning) {
  Connect(10);
  few_descriptors_.emplace(3);
  EXPECT_EQ(TriesIn(1000), 1);
  EXPECT_EQ(accepted_.size(), 3u);
  for (int i = 0; i < 4; ++i) {
    clock_.Advance(absl::Milliseconds(250));
    EXPECT_EQ(TriesIn(1000), 1);
  }
  few_descriptors_.reset();
  EXPECT_EQ(accepted_.size(), 3u);
  ASSERT_EQ(log_.Events("accept_paused").size(), 1u) << "said once, not with every try";
  EXPECT_EQ(log_.Events("accept_paused")[0].value("errno", ""), "EMFILE");
  clock_.Advance(absl::Milliseconds(250));
  Turn(3);
  EXPECT_EQ(accepted_.size(), 10u);
  ASSERT_EQ(log_.Events("accept_resumed").size(), 1u);
  EXPECT_EQ(log_.Events("accept_resumed")[0].value("paused_ms", 0.0), 1250);
}

TEST_F(OutOfDescriptors, ThoseWhoWaitedAreTakenOnceThereAreDescriptors) {
  Connect(10);
  few_descriptors_.emplace(0);
  Turn(10);
  EXPECT_TRUE(acceptor_->paused());
  few_descriptors_.reset();
  clock_.Advance(absl::Milliseconds(249));
  Turn(10);
  EXPECT_EQ(accepted_.size(), 0u);
  clock_.Advance(absl::Milliseconds(1));
  Turn(10);
  EXPECT_FALSE(acceptor_->paused());
  EXPECT_EQ(accepted_.size(), 10u);
}

TEST_F(OutOfDescriptors, ItMayBeDestroyedWhilePaused) {
  Connect(1);
  few_descriptors_.emplace(0);
  Turn(10);
  ASSERT_TRUE(acceptor_->paused());
  acceptor_.reset();
  clock_.Advance(absl::Seconds(1));
  Turn(10);
  EXPECT_EQ(loop_->service_timers().armed(), 0u);
}

TEST_F(AcceptorTest, AClientThatHasLeftTheQueueDoesNotHoldUpTheNext) {
  Connect(3);
  clients_[0]->Reset();
  clients_[1]->Close();
  Turn(2);
  EXPECT_GE(accepted_.size(), 2u);
  EXPECT_FALSE(acceptor_->paused());
}

TEST_F(AcceptorTest, AClientThatAFirewallForbidsHoldsUpNobody) {
  Connect(3);
  {
    const NoAccepting forbidden(EPERM);
    Turn(1);
  }
  EXPECT_FALSE(acceptor_->paused());
  Connect(1);
  Turn(1);
  EXPECT_EQ(accepted_.size(), 1u);
}

TEST_F(AcceptorTest, WithoutAnEpollWatchItTriesAgain) {
  acceptor_ =
      std::make_unique<Acceptor>(loop_.get(), socket_.get(),
                                 [this](int fd, const SocketAddress&) { accepted_.push_back(fd); });
  {
    const NoWatches none;
    EXPECT_THAT(std::string(acceptor_->Start().message()),
                AllOf(HasSubstr(socket_->address().ToString()), HasSubstr("max_user_watches")));
    acceptor_->StartOrRetry();
    EXPECT_TRUE(acceptor_->paused());
  }
  Connect(1);
  EXPECT_EQ(accepted_.size(), 0u);
  clock_.Advance(absl::Milliseconds(250));
  Turn(2);
  EXPECT_EQ(accepted_.size(), 1u);
  ASSERT_EQ(log_.Events("accept_paused").size(), 1u);
  EXPECT_EQ(log_.Events("accept_paused")[0].value("errno", ""), "ENOSPC");
  ASSERT_EQ(log_.Events("libevent").size(), 1u) << "one line a second";
}

}  // namespace
}  // namespace tlsbridge
