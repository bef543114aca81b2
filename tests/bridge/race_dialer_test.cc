#include "bridge/race_dialer.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <optional>

#include "bridge/event/clock.h"

namespace tlsbridge {
namespace {

SocketAddress Parse(const std::string& text) { return *SocketAddress::Parse(text); }

class ListeningSocket {
 public:
  explicit ListeningSocket(const std::string& address, int backlog = 16) {
    const SocketAddress any = Parse(address);
    fd_ = socket(any.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    EXPECT_EQ(bind(fd_, any.get(), any.length()), 0);
    EXPECT_EQ(listen(fd_, backlog), 0);
    address_ = SocketAddress::LocalOf(fd_);
  }
  ~ListeningSocket() { close(fd_); }

  const SocketAddress& address() const { return address_; }

  // How the oldest connection that waits has ended: recv()'s result, or -errno.
  int EndOfOldest() const {
    const int fd = accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return -errno;
    char byte;
    const ssize_t n = recv(fd, &byte, 1, 0);
    const int end = n < 0 ? -errno : static_cast<int>(n);
    close(fd);
    return end;
  }

  // How many connections wait that have not been closed again.
  int CountOpen() const {
    int open = 0;
    for (int fd; (fd = accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
      char byte;
      if (recv(fd, &byte, 1, 0) < 0 && errno == EAGAIN) ++open;
      close(fd);
    }
    return open;
  }

 private:
  int fd_;
  SocketAddress address_;
};

// Accepts no more: the kernel drops each SYN, as a host that is gone does.
class BlackHole {
 public:
  BlackHole() : listener_("127.0.0.1:0", 0) {
    for (int& fd : fillers_) {
      fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      connect(fd, address().get(), address().length());
    }
  }
  ~BlackHole() {
    for (const int fd : fillers_) close(fd);
  }
  const SocketAddress& address() const { return listener_.address(); }

 private:
  ListeningSocket listener_;
  int fillers_[4];
};

SocketAddress Refusing() { return ListeningSocket("127.0.0.1:0").address(); }

class RaceDialerTest : public ::testing::Test {
 protected:
  ~RaceDialerTest() override {
    if (result_.has_value() && result_->fd >= 0) close(result_->fd);
    dialer_.reset();
    EXPECT_EQ(live_.sockets, 0);
    EXPECT_EQ(loop_->connection_timers().armed(), 0u);
  }

  void Dial(const std::vector<SocketAddress>& addresses) {
    addresses_ = addresses;
    dialer_ = std::make_unique<RaceDialer>(loop_.get(), &live_, addresses, TcpOptions(),
                                           [this](const RaceDialer::Result& result) {
                                             EXPECT_FALSE(result_.has_value()) << "told twice";
                                             result_ = result;
                                             dialer_.reset();
                                           });
    EXPECT_FALSE(result_.has_value()) << "told inside the constructor";
  }

  void TurnUntilDone() {
    for (int i = 0; i < 1000 && !result_.has_value(); ++i) loop_->Turn(/*wait=*/false);
    ASSERT_TRUE(result_.has_value());
  }

  void ExpectConnectedTo(const SocketAddress& address) {
    ASSERT_TRUE(result_.has_value());
    EXPECT_EQ(result_->error, 0);
    EXPECT_EQ(addresses_[result_->index].ToString(), address.ToString());
    EXPECT_EQ(SocketAddress::PeerOf(result_->fd).ToString(), address.ToString());
  }

  ManualClock clock_;
  std::unique_ptr<EventLoop> loop_ = *EventLoop::Create(&clock_);
  LiveCounters live_;
  std::vector<SocketAddress> addresses_;
  std::unique_ptr<RaceDialer> dialer_;
  std::optional<RaceDialer::Result> result_;
};

TEST_F(RaceDialerTest, TakesTheFirstAddressThatAnswers) {
  const ListeningSocket first("127.0.0.1:0");
  const ListeningSocket second("127.0.0.1:0");
  Dial({first.address(), second.address()});
  TurnUntilDone();
  ExpectConnectedTo(first.address());
  clock_.Advance(absl::Seconds(1));
  loop_->Turn(/*wait=*/false);
  EXPECT_EQ(second.CountOpen(), 0);
}

TEST_F(RaceDialerTest, AFailureStartsTheNextAtOnce) {
  const ListeningSocket good("127.0.0.1:0");
  Dial({Refusing(), Refusing(), good.address()});
  TurnUntilDone();  // the clock stands still
  ExpectConnectedTo(good.address());
}

TEST_F(RaceDialerTest, SilenceStartsTheNextAfterAQuarterSecond) {
  const BlackHole silent;
  const ListeningSocket good("127.0.0.1:0");
  Dial({silent.address(), good.address()});
  clock_.Advance(RaceDialer::kAttemptDelay - absl::Milliseconds(1));
  for (int i = 0; i < 100; ++i) loop_->Turn(/*wait=*/false);
  EXPECT_FALSE(result_.has_value());
  EXPECT_EQ(live_.sockets, 1);
  clock_.Advance(absl::Milliseconds(1));
  TurnUntilDone();
  ExpectConnectedTo(good.address());
  EXPECT_EQ(live_.sockets, 0) << "the one that lost is closed";
}

TEST_F(RaceDialerTest, AFailureStartsTheNextThoughAnotherIsStillSilent) {
  const BlackHole silent;
  const ListeningSocket good("127.0.0.1:0");
  Dial({silent.address(), Refusing(), good.address()});
  clock_.Advance(RaceDialer::kAttemptDelay);
  TurnUntilDone();
  ExpectConnectedTo(good.address());
}

TEST_F(RaceDialerTest, RacesTheFamilies) {
  const ListeningSocket v6("[::1]:0");
  const BlackHole v4;
  Dial({v4.address(), v6.address()});
  clock_.Advance(RaceDialer::kAttemptDelay);
  TurnUntilDone();
  ExpectConnectedTo(v6.address());
}

TEST_F(RaceDialerTest, TellsTheLastErrorWhenAllFail) {
  Dial({Parse("unix:/nowhere/at.all"), Refusing()});
  TurnUntilDone();
  EXPECT_EQ(result_->fd, -1);
  EXPECT_EQ(result_->error, ECONNREFUSED);
}

TEST_F(RaceDialerTest, TellsLaterOfAFailureInsideTheCall) {
  Dial({Parse("unix:/nowhere/at.all")});
  TurnUntilDone();
  EXPECT_EQ(result_->error, ENOENT);
}

TEST_F(RaceDialerTest, AllFailOnlyWhenTheSilentOneDoes) {
  const BlackHole silent;
  Dial({silent.address(), Refusing()});
  clock_.Advance(RaceDialer::kAttemptDelay);
  for (int i = 0; i < 100; ++i) loop_->Turn(/*wait=*/false);
  EXPECT_FALSE(result_.has_value());
  EXPECT_EQ(live_.sockets, 1);
}

TEST_F(RaceDialerTest, DestroyingItCancelsAndClosesEverything) {
  const BlackHole silent;
  const BlackHole other;
  Dial({silent.address(), other.address(), silent.address()});
  clock_.Advance(RaceDialer::kAttemptDelay);
  loop_->Turn(/*wait=*/false);
  EXPECT_EQ(live_.sockets, 2);
  dialer_.reset();
  EXPECT_EQ(live_.sockets, 0);
  clock_.Advance(absl::Seconds(1));
  for (int i = 0; i < 10; ++i) loop_->Turn(/*wait=*/false);
  EXPECT_FALSE(result_.has_value());
}

TEST_F(RaceDialerTest, OneThatIsConnectedAndNotWantedLooksLikeNoCompleteStream) {
  const ListeningSocket backend("127.0.0.1:0");
  Dial({backend.address()});
  dialer_.reset();  // the kernel has connected it by now
  // Linux takes one that is reset before it is accepted out of the queue, or hands it out as reset.
  const int end = backend.EndOfOldest();
  EXPECT_TRUE(end == -ECONNRESET || end == -EAGAIN || end == -ECONNABORTED) << end;
}

}  // namespace
}  // namespace tlsbridge
