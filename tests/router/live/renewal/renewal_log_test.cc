#include "router/live/renewal/renewal_log.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/support/log_capture.h"

namespace tlsbridge {
namespace {

using ::tlsbridge::testing::LogCapture;
using Set = FileSet<const tls::Credential>;

// One route whose certificates are these; nothing of them but their state is looked at.
std::shared_ptr<const LiveConfig> Live(std::vector<Set> certificates) {
  Config config;
  config.routes.push_back({.name = "main", .action = RouteAction::kBlock});
  std::vector<RouteTls> tls(1);
  tls[0].files.certificates = std::move(certificates);
  auto live = LiveConfig::Assemble(std::move(config), std::move(tls), nullptr, absl::UnixEpoch());
  EXPECT_TRUE(live.ok()) << live.status();
  return *live;
}

class RenewalLogTest : public ::testing::Test {
 protected:
  void Tell(std::vector<Set> before, std::vector<Set> after,
            TellProblems which = TellProblems::kNew) {
    counts_ = LogRenewals(*Live(std::move(before)), *Live(std::move(after)), which);
  }
  LogCapture log_;
  RenewalCounts counts_;  // of the last Tell()
};

TEST_F(RenewalLogTest, ARefusalCountsOnceHoweverOftenItIsTold) {
  const Set good = {{"a.crt"}, 1, 1, "", nullptr};
  const Set bad = {{"a.crt"}, 2, 2, "a.crt: is bad", nullptr};
  Tell({good}, {bad});
  EXPECT_EQ(counts_.refused, 1u);
  EXPECT_EQ(counts_.taken, 0u);
  Tell({bad}, {bad}, TellProblems::kAll);
  EXPECT_EQ(counts_.refused, 0u);
  Tell({bad}, {good});
  EXPECT_EQ(counts_.taken, 1u);
}

TEST_F(RenewalLogTest, FilesAreRefusedSinceTheyWereFirst) {
  const Set bad = {{"a.crt"}, 2, 2, "a.crt: is bad", nullptr};
  const Set worse = {{"a.crt"}, 3, 3, "a.crt: is worse", nullptr};
  const absl::Time first = absl::FromUnixSeconds(100);
  const RefusedSince then = FilesRefused(*Live({bad}), {}, first);
  ASSERT_EQ(then.size(), 1u);
  EXPECT_EQ(then.begin()->second, first);
  EXPECT_EQ(FilesRefused(*Live({worse}), then, first + absl::Hours(1)), then);
  EXPECT_TRUE(FilesRefused(*Live({{{"a.crt"}, 1, 1, "", nullptr}}), then, first).empty());
}

TEST_F(RenewalLogTest, ARefusalIsToldOnceUnlessSomebodyAsks) {
  const Set good = {{"a.crt"}, 1, 1, "", nullptr};
  const Set bad = {{"a.crt"}, 2, 2, "a.crt: is bad", nullptr};
  Tell({good}, {bad});
  Tell({bad}, {bad});
  ASSERT_EQ(log_.Events("renewal_refused").size(), 1u);
  EXPECT_EQ(log_.Events("renewal_refused")[0]["message"], "a.crt: is bad");
  Tell({bad}, {bad}, TellProblems::kAll);
  EXPECT_EQ(log_.Events("renewal_refused").size(), 2u);
  EXPECT_EQ(log_.Events("renewed").size(), 0u);
}

TEST_F(RenewalLogTest, WhatBecomesGoodWithoutAChangeIsToldToo) {
  Tell({{{"a.crt"}, 2, 2, "a.crt: is not valid before tomorrow", nullptr}},
       {{{"a.crt"}, 2, 2, "", nullptr}});
  ASSERT_EQ(log_.Events("renewed").size(), 1u);
  EXPECT_EQ(log_.Events("renewed")[0]["files"], "a.crt");
}

TEST_F(RenewalLogTest, ThousandsAreCountedAndOneRefusalAmongThemIsNamed) {
  std::vector<Set> before;
  std::vector<Set> after;
  for (int i = 0; i < 1000; ++i) {
    const std::string name = absl::StrCat(i, ".crt");
    before.push_back({{name}, 1, 1, "", nullptr});
    after.push_back({{name}, 2, 2, i == 900 ? "900.crt: is bad" : "", nullptr});
  }
  Tell(before, after);
  const auto renewed = log_.Events("renewed");
  ASSERT_EQ(renewed.size(), 101u);
  EXPECT_EQ(renewed.back()["more"], 899);
  ASSERT_EQ(log_.Events("renewal_refused").size(), 1u);
  EXPECT_EQ(log_.Events("renewal_refused")[0]["message"], "900.crt: is bad");
}

// One route, down for that reason; served if it is empty.
std::shared_ptr<const LiveConfig> Down(const std::string& reason) {
  Config config;
  config.routes.push_back({.name = "main", .action = RouteAction::kBlock});
  std::vector<RouteTls> tls(1);
  tls[0].down = reason;
  return *LiveConfig::Assemble(std::move(config), std::move(tls), nullptr, absl::UnixEpoch());
}

TEST_F(RenewalLogTest, ARouteThatIsDownIsToldOnceForEachReasonAndWhenItIsUpAgain) {
  LogRoutesDown(nullptr, *Down("a.crt: has expired"), TellProblems::kAll);
  LogRenewals(*Down("a.crt: has expired"), *Down("a.crt: has expired"), TellProblems::kNew);
  const auto first = log_.Events("route_down");
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0]["level"], "error");
  EXPECT_EQ(first[0]["route"], "main");
  EXPECT_EQ(first[0]["message"].get<std::string>().find("a.crt: has expired; "), 0u);
  LogRenewals(*Down("a.crt: has expired"), *Down("a.crt: is no PEM"), TellProblems::kNew);
  EXPECT_EQ(log_.Events("route_down").size(), 2u);
  LogRenewals(*Down("a.crt: is no PEM"), *Down("a.crt: is no PEM"), TellProblems::kAll);
  EXPECT_EQ(log_.Events("route_down").size(), 3u) << "somebody asked";
  EXPECT_EQ(log_.Events("route_up").size(), 0u);
  LogRenewals(*Down("a.crt: is no PEM"), *Down(""), TellProblems::kNew);
  ASSERT_EQ(log_.Events("route_up").size(), 1u);
  EXPECT_EQ(log_.Events("route_up")[0]["route"], "main");
}

}  // namespace
}  // namespace tlsbridge
