#include "router/host/spawner.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

// A shell whose script sees the descriptor's number as $FD.
std::unique_ptr<Spawner> ForkShell(const std::string& script) {
  auto spawner = Spawner::Fork({"/bin/sh", {"sh", "-c", script}, {"GIVEN=given", "PATH=/bin"}});
  EXPECT_TRUE(spawner.ok()) << spawner.status();
  return *std::move(spawner);
}

class SpawnerTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(pipe2(ends_, O_CLOEXEC), 0); }
  void TearDown() override {
    close(ends_[0]);
    if (ends_[1] >= 0) close(ends_[1]);
  }
  std::string ReadToEnd() {
    close(ends_[1]);
    ends_[1] = -1;
    std::string text;
    char buffer[256];
    for (ssize_t n; (n = read(ends_[0], buffer, sizeof(buffer))) > 0;) {
      text.append(buffer, static_cast<size_t>(n));
    }
    return text;
  }
  static int WaitFor(Spawner* spawner, pid_t child) {
    for (int i = 0; i < 20'000; ++i) {
      if (const auto status = spawner->Reap(child)) return *status;
      poll(nullptr, 0, /*timeout=*/1);
    }
    return -1;
  }

  int ends_[2];
};

TEST_F(SpawnerTest, StartsTheProgramWithWhatItWasGivenAndWhatIsAdded) {
  const auto spawner = ForkShell("echo $GIVEN $MORE >&$FD; exit 7");
  const auto child = spawner->Start({"MORE=more"}, "FD", ends_[1]);
  ASSERT_TRUE(child.ok()) << child.status();
  EXPECT_EQ(ReadToEnd(), "given more\n");
  const int status = WaitFor(spawner.get(), *child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 7);
  EXPECT_FALSE(spawner->Reap(*child).has_value()) << "the first answer is the last";
}

TEST_F(SpawnerTest, TheProgramHasNoOtherDescriptors) {
  const auto spawner = ForkShell("ls /proc/self/fd | wc -l >&$FD");
  ASSERT_TRUE(spawner->Start({}, "FD", ends_[1]).ok());
  // Three, that one, and the folder that ls reads.
  EXPECT_EQ(std::stoi(ReadToEnd()), 5);
}

TEST_F(SpawnerTest, KillsItsOwnChildrenOnly) {
  const auto spawner = ForkShell("exec sleep 1000");
  const pid_t stranger = fork();
  if (stranger == 0) {
    pause();
    _exit(0);
  }
  spawner->Kill(stranger);
  const auto child = spawner->Start({}, "FD", ends_[1]);
  ASSERT_TRUE(child.ok());
  spawner->Kill(*child);
  EXPECT_TRUE(WIFSIGNALED(WaitFor(spawner.get(), *child)));
  EXPECT_EQ(waitpid(stranger, nullptr, WNOHANG), 0) << "it lives";
  kill(stranger, SIGKILL);
  waitpid(stranger, nullptr, 0);
}

TEST_F(SpawnerTest, AProgramThatIsNotThereIsAnError) {
  auto spawner = Spawner::Fork({"/no/such/program", {"program"}, {}});
  ASSERT_TRUE(spawner.ok());
  EXPECT_FALSE((*spawner)->Start({}, "FD", ends_[1]).ok());
}

}  // namespace
}  // namespace tlsbridge
