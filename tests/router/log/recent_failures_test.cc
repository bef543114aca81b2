#include "router/log/recent_failures.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

using Reason = TerminationReason;

class RecentFailuresTest : public ::testing::Test {
 protected:
  void Add(Reason reason, int times = 1, const std::string& route = "") {
    for (int i = 0; i < times; ++i) {
      failures_.Add(
          {.at = now_, .reason = reason, .route = route, .line = absl::StrCat("line ", ++lines_)});
    }
  }
  size_t Kept(Reason reason) const { return failures_.Take({.reason = reason}).size(); }

  absl::Time now_ = absl::FromUnixSeconds(1'000);
  RecentFailures failures_;
  int lines_ = 0;
};

TEST_F(RecentFailuresTest, TheLastOnesAreKeptTheOldestFirst) {
  Add(Reason::kTruncated, 250);
  const std::vector<FailedConnection> all = failures_.Take({});
  ASSERT_EQ(all.size(), RecentFailures::kMost);
  EXPECT_EQ(all.front().line, "line 51");
  EXPECT_EQ(all.back().line, "line 250");
  EXPECT_EQ(all.back().number, failures_.last_number());
}

TEST_F(RecentFailuresTest, AFloodOfOneKindHidesNoOther) {
  Add(Reason::kEconnrefused, 3);
  Add(Reason::kGlobalLimit, 10'000);
  EXPECT_EQ(Kept(Reason::kEconnrefused), 3u);
  EXPECT_EQ(Kept(Reason::kGlobalLimit), RecentFailures::kMost - 3);
}

TEST_F(RecentFailuresTest, ComeByReasonByRouteAndByWhatWasSeenBefore) {
  Add(Reason::kTruncated, 2, "orders");
  Add(Reason::kDenied, 1, "orders");
  Add(Reason::kDenied, 1, "billing");
  EXPECT_EQ(failures_.Take({.reason = Reason::kDenied}).size(), 2u);
  EXPECT_EQ(failures_.Take({.route = "orders"}).size(), 3u);
  EXPECT_EQ(failures_.Take({.reason = Reason::kDenied, .route = "orders"}).size(), 1u);
  EXPECT_EQ(failures_.Take({.after = 3}).size(), 1u);
  EXPECT_EQ(failures_.Take({.after = failures_.last_number()}).size(), 0u);
  const auto last = failures_.Take({.limit = 1});
  ASSERT_EQ(last.size(), 1u);
  EXPECT_EQ(last[0].route, "billing");
}

TEST_F(RecentFailuresTest, OfThoseThatTheLogFoldsOnlySomeAreKeptInASecond) {
  int kept = 0;
  for (int i = 0; i < 1'000; ++i) kept += failures_.Count(Reason::kDenied, false, now_) ? 1 : 0;
  EXPECT_EQ(kept, RecentFailures::kFoldedASecond);
  EXPECT_TRUE(failures_.Count(Reason::kDenied, /*written=*/true, now_));
  now_ += absl::Seconds(1);
  EXPECT_TRUE(failures_.Count(Reason::kDenied, false, now_));
  now_ -= absl::Hours(1);
  EXPECT_TRUE(failures_.Count(Reason::kDenied, false, now_)) << "a clock that was set back";
}

TEST_F(RecentFailuresTest, ASpellIsOverAfterAMinuteWithoutOne) {
  EXPECT_EQ(failures_.SpellOf(Reason::kIpLimit).count, 0u);
  const absl::Time first = now_;
  for (int i = 0; i < 3; ++i) {
    failures_.Count(Reason::kIpLimit, false, now_);
    now_ += absl::Seconds(50);
  }
  EXPECT_EQ(failures_.SpellOf(Reason::kIpLimit).count, 3u);
  EXPECT_EQ(failures_.SpellOf(Reason::kIpLimit).since, first);
  now_ += absl::Seconds(11);
  failures_.Count(Reason::kIpLimit, false, now_);
  EXPECT_EQ(failures_.SpellOf(Reason::kIpLimit).count, 1u);
  EXPECT_EQ(failures_.SpellOf(Reason::kIpLimit).since, now_);
}

}  // namespace
}  // namespace tlsbridge
