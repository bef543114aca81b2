#include "router/live/renewal/watch_plan.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

class WatchPlanTest : public testing::Test {
 protected:
  WatchPlanTest() {
    char name[] = "/tmp/watch-plan-XXXXXX";
    dir_ = mkdtemp(name);
  }
  ~WatchPlanTest() override { EXPECT_EQ(system(("rm -r " + dir_).c_str()), 0); }
  void Link(const std::string& target, const std::string& name) {
    ASSERT_EQ(symlink(target.c_str(), (dir_ + "/" + name).c_str()), 0);
  }
  void Folder(const std::string& name) { ASSERT_EQ(mkdir((dir_ + "/" + name).c_str(), 0700), 0); }

  std::string dir_;
};

TEST_F(WatchPlanTest, AFileShowsInItsFolder) {
  const WatchPlan expected = {{dir_, {"a.crt", "a.key"}}};
  EXPECT_EQ(PlanWatches({dir_ + "/a.crt", dir_ + "/./a.key", ""}), expected);
}

TEST_F(WatchPlanTest, AMountOfKubernetesShowsWhereItsLinkIsSwapped) {
  Folder("..2026_1");
  Link("..2026_1", "..data");
  Link("..data/tls.crt", "tls.crt");
  const WatchPlan expected = {{dir_, {"tls.crt", "..data"}}, {dir_ + "/..2026_1", {"tls.crt"}}};
  EXPECT_EQ(PlanWatches({dir_ + "/tls.crt"}), expected);
}

TEST_F(WatchPlanTest, ALinkUpAndAnAbsoluteOneAreFollowed) {
  Folder("live");
  Folder("archive");
  Link("../archive/cert1.pem", "live/cert.pem");
  Link(dir_ + "/live", "tls");
  const WatchPlan expected = {
      {dir_, {"tls"}}, {dir_ + "/live", {"cert.pem"}}, {dir_ + "/archive", {"cert1.pem"}}};
  EXPECT_EQ(PlanWatches({dir_ + "/tls/cert.pem"}), expected);
}

TEST_F(WatchPlanTest, WhatIsMissingIsWatchedForWhereItWouldBe) {
  const WatchPlan expected = {{dir_ + "/later", {"a.crt"}}};
  EXPECT_EQ(PlanWatches({dir_ + "/later/a.crt"}), expected);
}

TEST_F(WatchPlanTest, ARelativePathBeginsInTheWorkingFolder) {
  ASSERT_EQ(chdir(dir_.c_str()), 0);
  const WatchPlan expected = {{dir_, {"a.crt"}}};
  EXPECT_EQ(PlanWatches({"a.crt"}), expected);
  ASSERT_EQ(chdir("/"), 0);
}

TEST_F(WatchPlanTest, LinksInACircleEnd) {
  Link("two", "one");
  Link("one", "two");
  const WatchPlan expected = {{dir_, {"one", "two"}}};
  EXPECT_EQ(PlanWatches({dir_ + "/one"}), expected);
}

}  // namespace
}  // namespace tlsbridge
