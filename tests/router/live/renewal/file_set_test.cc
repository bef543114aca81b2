#include "router/live/renewal/file_set.h"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

class FileSetTest : public testing::Test {
 protected:
  FileSetTest() {
    Write(0, "cert 1");
    Write(1, "key 1");
  }
  void Write(size_t which, const std::string& text) { std::ofstream(paths_[which]) << text; }
  static std::string Content(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  absl::StatusOr<FileSet<const std::string>> Read(const FileSet<const std::string>* served,
                                                  Reread reread = Reread::kChanged) {
    return ReadFileSet(paths_, served, reread,
                       [this]() -> absl::StatusOr<std::shared_ptr<const std::string>> {
                         ++reads_;
                         std::string text = Content(paths_[0]);
                         if (during_read_) during_read_();
                         text += ", " + Content(paths_[1]);
                         if (text.find("bad") != std::string::npos)
                           return absl::InvalidArgumentError(text);
                         return std::make_shared<const std::string>(std::move(text));
                       });
  }

  const std::vector<std::string> paths_ = {testing::TempDir() + "/set.crt",
                                           testing::TempDir() + "/set.key"};
  int reads_ = 0;
  std::function<void()> during_read_;
};

TEST_F(FileSetTest, WhatComesThroughAPipeIsReadOnceAndNeverAgain) {
  unlink(paths_[0].c_str());
  ASSERT_EQ(mkfifo(paths_[0].c_str(), 0600), 0);
  const auto read = [this](const FileSet<const std::string>* served, Reread reread) {
    return ReadFileSet(paths_, served, reread,
                       [this]() -> absl::StatusOr<std::shared_ptr<const std::string>> {
                         ++reads_;
                         return std::make_shared<const std::string>("cert 1");
                       });
  };
  const auto first = read(nullptr, Reread::kChanged);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_TRUE(first->once);
  Write(1, "key 2");
  EXPECT_EQ(read(&*first, Reread::kAll)->content, first->content);
  EXPECT_EQ(reads_, 1);
  unlink(paths_[0].c_str());
}

TEST_F(FileSetTest, IsNotReadAgainUnlessAFileChanged) {
  const auto first = Read(nullptr);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(*first->content, "cert 1, key 1");
  const auto same = Read(&*first);
  EXPECT_EQ(reads_, 1);
  EXPECT_EQ(same->content, first->content);
  EXPECT_EQ(Read(&*first, Reread::kAll)->content, first->content);
  EXPECT_EQ(reads_, 1) << "the bytes are the same";
  Write(1, "key one");
  const auto touched = Read(&*first);
  Write(1, "key 1");
  EXPECT_NE(touched->content, first->content);
  Write(1, "key two");
  EXPECT_EQ(*Read(&*first)->content, "cert 1, key two");
}

TEST_F(FileSetTest, ABadOneKeepsWhatIsServedAndIsTriedAgain) {
  const auto first = Read(nullptr);
  Write(0, "bad");
  const auto second = Read(&*first);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->content, first->content);
  EXPECT_EQ(second->problem, "bad, key 1");
  const auto third = Read(&*second);
  EXPECT_EQ(reads_, 3) << "it may have become good without a change: a certificate's time may come";
  EXPECT_EQ(third->fingerprint, second->fingerprint);
  Write(0, "good");
  const auto fourth = Read(&*third);
  EXPECT_EQ(fourth->problem, "");
  EXPECT_EQ(*fourth->content, "good, key 1");
}

TEST_F(FileSetTest, ABadOneIsAnErrorWhereNothingIsServed) {
  Write(0, "bad");
  EXPECT_EQ(Read(nullptr).status().message(), "bad, key 1");
}

TEST_F(FileSetTest, HalfOfOneIsNeverServedWithHalfOfTheNext) {
  during_read_ = [this] {
    if (reads_ > 1) return;
    // As a swap of links does: both files are others at once.
    Write(0, "cert two");
    Write(1, "key two");
  };
  EXPECT_EQ(*Read(nullptr)->content, "cert two, key two");
  EXPECT_EQ(reads_, 2);
}

TEST_F(FileSetTest, OneThatNeverStandsStillIsRefusedAfterAWhile) {
  const auto first = Read(nullptr);
  Write(0, "other");
  during_read_ = [this] { Write(0, std::string(reads_ + 10, 'x')); };
  const auto second = Read(&*first);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->content, first->content);
  EXPECT_NE(second->problem.find("set.key: kept changing"), std::string::npos) << second->problem;
  EXPECT_LT(reads_, 10);
}

TEST_F(FileSetTest, AStampTellsOfEveryKindOfChange) {
  const std::string& path = paths_[0];
  uint64_t before = FingerprintOf(paths_);
  const auto changed = [&] { return std::exchange(before, FingerprintOf(paths_)) != before; };
  EXPECT_FALSE(changed());
  chmod(path.c_str(), 0400);
  EXPECT_TRUE(changed()) << "permissions";
  unlink(path.c_str());
  EXPECT_TRUE(changed()) << "gone";
  Write(0, "cert 1");
  EXPECT_TRUE(changed()) << "there again";
  Write(0, "longer than before");
  EXPECT_TRUE(changed()) << "written in place";
  const std::string other = path + ".new";
  std::ofstream(other) << "longer than before";
  rename(other.c_str(), path.c_str());
  EXPECT_TRUE(changed()) << "another file by the same name";
  unlink(path.c_str());
  EXPECT_EQ(symlink(paths_[1].c_str(), path.c_str()), 0);
  EXPECT_TRUE(changed()) << "a link to another file";
}

}  // namespace
}  // namespace tlsbridge
