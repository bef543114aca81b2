#include "router/live/renewal/file_watcher.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <string>

#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

class FileWatcherTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/file-watcher-XXXXXX";
    dir_ = mkdtemp(name);
    auto loop = EventLoop::Create(&clock_);
    ASSERT_TRUE(loop.ok());
    loop_ = *std::move(loop);
    watcher_ = std::make_unique<FileWatcher>(loop_.get(), [this] { ++told_; });
  }
  void TearDown() override { EXPECT_EQ(system(("rm -r " + dir_).c_str()), 0); }

  std::string PathOf(const std::string& name) const { return dir_ + "/" + name; }
  void Write(const std::string& name) { std::ofstream(PathOf(name)) << "text"; }
  void Watch(const std::string& name) { watcher_->Watch(PlanWatches({PathOf(name)})); }
  // How often it told within `time`, by steps of 10 ms.
  int ToldWithin(absl::Duration time) {
    const int before = told_;
    for (absl::Duration gone; gone <= time; gone += absl::Milliseconds(10)) {
      loop_->Turn(/*wait=*/false);
      clock_.Advance(absl::Milliseconds(10));
    }
    return told_ - before;
  }
  // Longer than it takes to settle, shorter than until it looks by itself.
  int ToldSoon() { return ToldWithin(FileWatcher::kLongestSettling * 2); }

  ManualClock clock_;
  std::unique_ptr<EventLoop> loop_;
  std::string dir_;
  int told_ = 0;
  std::unique_ptr<FileWatcher> watcher_;
};

TEST_F(FileWatcherTest, TellsOnceOfManyStepsWhenTheyAreOver) {
  Write("a.crt");
  Watch("a.crt");
  EXPECT_EQ(ToldSoon(), 0);
  Write("a.crt");
  EXPECT_EQ(ToldWithin(FileWatcher::kSettling / 2), 0);
  Write("a.crt");
  EXPECT_EQ(ToldWithin(FileWatcher::kSettling / 2), 0) << "it waits for the last";
  EXPECT_EQ(ToldSoon(), 1);
}

TEST_F(FileWatcherTest, DoesNotWaitForEverForSomeoneWhoGoesOnWriting) {
  Watch("a.crt");
  int told = 0;
  for (int i = 0; i < 100; ++i) {
    Write("a.crt");
    told += ToldWithin(FileWatcher::kSettling / 2);
  }
  EXPECT_GE(told, 1);
}

TEST_F(FileWatcherTest, TellsOfFilesThatAppearAreRenamedOrBecomeReadable) {
  Watch("a.crt");
  Write("a.crt");
  EXPECT_EQ(ToldSoon(), 1) << "appears";
  Write("a.crt.new");
  EXPECT_EQ(ToldSoon(), 0) << "another file";
  rename(PathOf("a.crt.new").c_str(), PathOf("a.crt").c_str());
  EXPECT_EQ(ToldSoon(), 1) << "takes its place";
  chmod(PathOf("a.crt").c_str(), 0440);
  EXPECT_EQ(ToldSoon(), 1) << "permissions";
}

TEST_F(FileWatcherTest, TellsOfALinkThatIsSwapped) {
  mkdir(PathOf("one").c_str(), 0700);
  mkdir(PathOf("two").c_str(), 0700);
  Write("one/a.crt");
  Write("two/a.crt");
  ASSERT_EQ(symlink("one", PathOf("..data").c_str()), 0);
  Watch("..data/a.crt");
  for (const char* target : {"two", "one", "two"}) {
    ASSERT_EQ(symlink(target, PathOf("..tmp").c_str()), 0);
    ASSERT_EQ(rename(PathOf("..tmp").c_str(), PathOf("..data").c_str()), 0);
    EXPECT_EQ(ToldSoon(), 1);
    Watch("..data/a.crt");
    Write(std::string(target) + "/a.crt");
    EXPECT_EQ(ToldSoon(), 1) << "what the link leads to now is watched";
  }
  Write("one/a.crt");
  EXPECT_EQ(ToldSoon(), 0) << "what it led to is not";
}

TEST_F(FileWatcherTest, LooksByItselfNowAndThen) {
  // Neither inotify nor anything else tells of a folder that is not there.
  Watch("missing/folder/a.crt");
  EXPECT_EQ(ToldWithin(FileWatcher::kPollInterval * 2.5), 2);
}

TEST_F(FileWatcherTest, TellsOfAFolderThatGoes) {
  mkdir(PathOf("tls").c_str(), 0700);
  Watch("tls/a.crt");
  rmdir(PathOf("tls").c_str());
  EXPECT_EQ(ToldSoon(), 1);
}

}  // namespace
}  // namespace tlsbridge
