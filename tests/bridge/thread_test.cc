// A thread that ends, and one that hangs.

#include "bridge/event/thread.h"

#include <errno.h>

#include <future>
#include <memory>
#include <string>
#include <utility>

#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

TEST(ThreadTest, IsJoinedByItsOwnersEnd) {
  bool done = false;
  {
    auto thread = Thread::Start("a test", [&done] { done = true; });
    ASSERT_TRUE(thread.ok()) << thread.status();
  }
  EXPECT_TRUE(done);
}

TEST(ThreadTest, OneThatEndsIsJoinedAndNotLeft) {
  const bool any_left_before = Thread::AnyLeft();
  auto thread = Thread::Start("a test", [] {});
  ASSERT_TRUE(thread.ok());
  EXPECT_TRUE(thread->JoinOrLeave(absl::Minutes(1)));
  EXPECT_FALSE(thread->joinable());
  EXPECT_EQ(Thread::AnyLeft(), any_left_before);
  EXPECT_TRUE(Thread().JoinOrLeave(absl::ZeroDuration())) << "where there is none";
}

TEST(ThreadTest, OneThatHangsIsLeftAndLetsGoOfWhatItHoldsWhenItComesBack) {
  std::promise<void> comes_back;
  std::promise<void> released;
  auto held = std::shared_ptr<int>(new int, [&released](int* number) {
    delete number;
    released.set_value();
  });
  auto thread = Thread::Start(
      "a test", [held = std::move(held), wait = comes_back.get_future()] { wait.wait(); });
  ASSERT_TRUE(thread.ok());
  EXPECT_FALSE(thread->JoinOrLeave(absl::ZeroDuration()));
  EXPECT_FALSE(thread->joinable());
  EXPECT_TRUE(Thread::AnyLeft());
  comes_back.set_value();
  released.get_future().wait();
}

TEST(ThreadTest, OneThatCannotBeHadIsNamedWithTheReasonAndTheLimit) {
  const std::string message(CannotStartThread("worker 3", EAGAIN).message());
  for (const char* part : {"worker 3", "Resource temporarily unavailable", "ulimit -u"}) {
    EXPECT_NE(message.find(part), std::string::npos) << message;
  }
}

}  // namespace
}  // namespace tlsbridge
