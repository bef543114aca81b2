// What the program ends with: a process, a listener, idleness.

#include "router/service/job_end.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "bridge/event/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

using ::testing::HasSubstr;

TEST(JobEndText, OneOfThreeIsTaken) {
  EXPECT_EQ(JobEnd::Parse("4711")->process, 4711);
  EXPECT_EQ(JobEnd::Parse("unix:/run/job.sock")->listener, "/run/job.sock");
  EXPECT_EQ(JobEnd::Parse("idle:30s")->idle, absl::Seconds(30));
}

TEST(JobEndText, AnythingElseIsRefusedWithWhatThereIs) {
  for (const std::string& text :
       {std::string(""), std::string("0"), std::string("-1"), std::string("4711x"),
        std::string("99999999999"), std::string("unix:"), std::string("unix:relative"),
        "unix:/" + std::string(200, 'x'), std::string("idle"), std::string("idle:"),
        std::string("idle:30"), std::string("idle:-1s"), std::string("idle:0s"),
        std::string("idle:1ms"), std::string("idle:inf")}) {
    EXPECT_THAT(std::string(JobEnd::Parse(text).status().message()),
                HasSubstr("expected a process ID, unix:/PATH, or idle:DURATION"))
        << text;
  }
}

class JobEndTest : public ::testing::Test {
 protected:
  absl::Status Watch(const std::string& text) {
    auto job = JobEnd::Watch(
        loop_.get(), *JobEnd::Parse(text), [this] { return use_; },
        [this](const std::string& sentence) {
          ++ends_;
          sentence_ = sentence;
        });
    if (!job.ok()) return job.status();
    job_ = *std::move(job);
    return absl::OkStatus();
  }
  void Advance(absl::Duration by) {
    clock_.Advance(by);
    for (int i = 0; i < 3; ++i) loop_->Turn(/*wait=*/false);
  }
  void AwaitEnd() {
    while (ends_ == 0) loop_->Turn(/*wait=*/true);
  }

  ManualClock clock_;
  std::unique_ptr<EventLoop> loop_ = *EventLoop::Create(&clock_);
  JobEnd::Use use_;
  int ends_ = 0;
  std::string sentence_;
  std::unique_ptr<JobEnd> job_;
};

// ---- A process.

TEST_F(JobEndTest, AChildsExitCodeIsTheJobs) {
  const pid_t child = fork();
  if (child == 0) _exit(7);
  ASSERT_TRUE(Watch(absl::StrCat(child)).ok());
  AwaitEnd();
  EXPECT_EQ(job_->exit_code(), 7);
  EXPECT_EQ(sentence_, absl::StrCat("process ", child, " exited, exit code 7"));
}

TEST_F(JobEndTest, AChildThatASignalEndsHasACodeAsInAShell) {
  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  ASSERT_TRUE(Watch(absl::StrCat(child)).ok());
  Advance(absl::Hours(1));
  EXPECT_EQ(ends_, 0);
  kill(child, SIGKILL);
  AwaitEnd();
  EXPECT_EQ(job_->exit_code(), 128 + SIGKILL);
}

TEST_F(JobEndTest, OfAnothersChildOnlyTheEndIsKnown) {
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    const pid_t grandchild = fork();
    if (grandchild == 0) {
      pause();
      _exit(0);
    }
    (void)!write(pipe_ends[1], &grandchild, sizeof(grandchild));
    waitpid(grandchild, nullptr, 0);
    _exit(0);
  }
  pid_t grandchild = 0;
  ASSERT_EQ(read(pipe_ends[0], &grandchild, sizeof(grandchild)),
            static_cast<ssize_t>(sizeof(grandchild)));
  ASSERT_TRUE(Watch(absl::StrCat(grandchild)).ok());
  kill(grandchild, SIGKILL);
  AwaitEnd();
  EXPECT_EQ(job_->exit_code(), 0);
  EXPECT_THAT(sentence_, HasSubstr("its exit code is unknown"));
  waitpid(child, nullptr, 0);
  for (const int fd : pipe_ends) close(fd);
}

TEST_F(JobEndTest, AProcessThatIsNotThereIsAnError) {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_THAT(std::string(Watch(absl::StrCat(child)).message()), HasSubstr("No such process"));
}

// ---- A listener.

class JobListener : public JobEndTest {
 protected:
  void SetUp() override {
    ASSERT_NE(mkdtemp(folder_), nullptr);
    path_ = absl::StrCat(folder_, "/job");
  }
  void TearDown() override {
    if (connection_ >= 0) close(connection_);
    if (listener_ >= 0) close(listener_);
    unlink(path_.c_str());
    rmdir(folder_);
  }
  void Listen() {
    listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    memcpy(address.sun_path, path_.data(), path_.size());
    ASSERT_EQ(bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    ASSERT_EQ(listen(listener_, 1), 0);
  }
  // What the job writes before it closes.
  int CodeAfter(const std::string& text) {
    Listen();
    EXPECT_TRUE(Watch("unix:" + path_).ok());
    connection_ = accept(listener_, nullptr, nullptr);
    EXPECT_EQ(write(connection_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    Advance(absl::ZeroDuration());
    EXPECT_EQ(ends_, 0) << "it is there still";
    close(std::exchange(connection_, -1));
    AwaitEnd();
    return job_->exit_code();
  }

  char folder_[20] = "/tmp/job_end_XXXXXX";
  std::string path_;
  int listener_ = -1;
  int connection_ = -1;
};

TEST_F(JobListener, WhatItWritesLastIsItsExitCode) {
  EXPECT_EQ(CodeAfter("working\n3\n"), 3);
  EXPECT_THAT(sentence_, HasSubstr("closed the connection, exit code 3"));
}
TEST_F(JobListener, OneThatOnlyClosesHasNone) { EXPECT_EQ(CodeAfter(""), 0); }
TEST_F(JobListener, ANumberThatIsNoExitCodeIsNone) { EXPECT_EQ(CodeAfter("256\n"), 0); }
TEST_F(JobListener, HoweverMuchItWritesItIsNotKept) {
  EXPECT_EQ(CodeAfter(std::string(100'000, '1') + "\n"), 0);
}

TEST_F(JobListener, OneThatComesLaterIsWaitedFor) {
  ASSERT_TRUE(Watch("unix:" + path_).ok());
  Advance(absl::Hours(1));
  EXPECT_EQ(ends_, 0);
  Listen();
  Advance(absl::Seconds(1));
  connection_ = accept(listener_, nullptr, nullptr);
  ASSERT_GE(connection_, 0);
  close(std::exchange(connection_, -1));
  AwaitEnd();
  Advance(absl::Hours(1));
  EXPECT_EQ(ends_, 1);
}

// ---- Idleness.

TEST_F(JobEndTest, IdleIsWithoutAConnectionForSoLong) {
  ASSERT_TRUE(Watch("idle:30s").ok());
  use_ = {.open = 1, .ever = 1};
  for (int i = 0; i < 100; ++i) Advance(absl::Seconds(1));
  EXPECT_EQ(ends_, 0);
  use_.open = 0;
  for (int i = 0; i < 30; ++i) Advance(absl::Seconds(1));
  EXPECT_EQ(ends_, 0);
  for (int i = 0; i < 2; ++i) Advance(absl::Seconds(1));
  EXPECT_EQ(ends_, 1);
  EXPECT_EQ(sentence_, "no connection was open for 30s");
  EXPECT_EQ(job_->exit_code(), 0);
}

TEST_F(JobEndTest, IdleIsFromTheStartOn) {
  ASSERT_TRUE(Watch("idle:30s").ok());
  for (int i = 0; i < 31; ++i) Advance(absl::Seconds(1));
  EXPECT_EQ(ends_, 1);
}

TEST_F(JobEndTest, AConnectionThatComesAndGoesBetweenTwoLooksCounts) {
  ASSERT_TRUE(Watch("idle:2s").ok());
  for (int i = 0; i < 100; ++i) {
    ++use_.ever;
    Advance(absl::Seconds(1));
  }
  EXPECT_EQ(ends_, 0);
}

}  // namespace
}  // namespace tlsbridge
