// A disk that is full while lines are written to it: what is lost is reported, and no half line is
// glued to a whole one.

#include "router/log/stderr_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

using ::testing::ElementsAre;

// Standard error is a file, which the disk lets grow by so many bytes and no more.
class FullDisk : public ::testing::Test {
 protected:
  void SetUp() override {
    signal(SIGXFSZ, SIG_IGN);
    path_ = absl::StrCat(::testing::TempDir(), "/stderr-", getpid());
    ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before_), 0);
    standard_error_ = dup(STDERR_FILENO);
    const int file = open(path_.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    ASSERT_GE(dup2(file, STDERR_FILENO), 0);
    close(file);
    sink_.set_pattern("%v");
  }
  void TearDown() override {
    MakeRoom();
    dup2(standard_error_, STDERR_FILENO);
    close(standard_error_);
    unlink(path_.c_str());
  }

  void LeaveRoomFor(size_t bytes) {
    const rlimit limit = {static_cast<rlim_t>(Written().size() + bytes), before_.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  }
  void MakeRoom() { setrlimit(RLIMIT_FSIZE, &before_); }

  void Log(const std::string& line) {
    sink_.log({"tlsbridge", spdlog::level::info, spdlog::string_view_t(line.data(), line.size())});
  }
  std::string Written() const {
    std::stringstream text;
    text << std::ifstream(path_).rdbuf();
    return text.str();
  }
  std::vector<std::string> Lines() const {
    std::ifstream file(path_);
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
  }

  uint64_t overrun_ = 0;
  bool more_follows_ = false;
  StderrSink sink_{
      {.more_follows = [this] { return more_follows_; },
       .overrun = [this] { return overrun_; },
       .describe_loss = [](uint64_t lines,
                           int error) { return absl::StrCat("lost ", lines, " ", error); }}};

 private:
  std::string path_;
  int standard_error_ = -1;
  rlimit before_ = {};
};

TEST_F(FullDisk, ALineThatWasCutEndsWhereTheNextBegins) {
  Log("first");
  LeaveRoomFor(4);
  Log("second line");
  Log("third");
  MakeRoom();
  Log("fourth");
  Log("fifth");
  EXPECT_THAT(Lines(),
              ElementsAre("first", "seco", absl::StrCat("lost 2 ", EFBIG), "fourth", "fifth"));
}

TEST_F(FullDisk, OneThatHasNoRoomAtAllCutsNothing) {
  Log("first");
  LeaveRoomFor(0);
  for (int i = 0; i < 20; ++i) Log("lost");
  MakeRoom();
  Log("last");
  EXPECT_THAT(Lines(), ElementsAre("first", absl::StrCat("lost 20 ", EFBIG), "last"));
}

TEST_F(FullDisk, HoweverLongItLastsNoLossIsForgotten) {
  Log("first");
  LeaveRoomFor(0);
  overrun_ = 7;
  Log("lost");
  Log("lost");
  LeaveRoomFor(9);  // for what tells of the dropped ones, and half of what tells of the others
  Log("lost");
  LeaveRoomFor(0);
  Log("lost");
  MakeRoom();
  Log("last");
  const std::string unwritten = absl::StrCat("lost 4 ", EFBIG);
  EXPECT_THAT(Lines(), ElementsAre("first", "lost 7 0", unwritten, "last"));
}

TEST_F(FullDisk, ALineThatFitsButForItsEndIsNotWrittenTwiceNorGlued) {
  LeaveRoomFor(5);
  Log("first");
  MakeRoom();
  Log("second");
  EXPECT_THAT(Lines(), ElementsAre("first", absl::StrCat("lost 1 ", EFBIG), "second"));
}

TEST_F(FullDisk, OfManyLinesTogetherThoseThatFitAreWhole) {
  LeaveRoomFor(15);  // two and a half
  more_follows_ = true;
  for (int i = 0; i < 9; ++i) Log(absl::StrCat("line", i));
  more_follows_ = false;
  Log("line9");
  MakeRoom();
  Log("after");
  EXPECT_THAT(Lines(),
              ElementsAre("line0", "line1", "lin", absl::StrCat("lost 8 ", EFBIG), "after"));
}

TEST_F(FullDisk, LinesThatWereDroppedAreToldBesideThoseThatCouldNotBeWritten) {
  LeaveRoomFor(0);
  Log("unwritten");
  MakeRoom();
  overrun_ = 7;
  Log("after");
  Log("once");
  EXPECT_THAT(Lines(), ElementsAre("lost 7 0", absl::StrCat("lost 1 ", EFBIG), "after", "once"));
}

}  // namespace
}  // namespace tlsbridge
