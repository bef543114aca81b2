// Failures of one kind are written a few times a minute and then counted.

#include "router/log/failure_folder.h"

#include <map>
#include <string>

#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

class FailureFolderTest : public ::testing::Test {
 protected:
  int Written(const std::string& what, int failures, const std::string& route = "",
              const std::string& backend = "") {
    int written = 0;
    for (int i = 0; i < failures; ++i) {
      written += folder_.ShouldWrite({what, route, backend}, now_) ? 1 : 0;
    }
    return written;
  }

  std::map<std::string, int64_t> Flush() {
    std::map<std::string, int64_t> reports;
    folder_.Flush(now_, [&reports](const FailureFolder::Kind& kind, int64_t more) {
      reports[kind.what + kind.route + kind.backend] = more;
    });
    return reports;
  }

  absl::Time now_ = absl::UnixEpoch();
  FailureFolder folder_;
};

TEST_F(FailureFolderTest, WritesTheFirstFewAndCountsTheRest) {
  EXPECT_EQ(Written("econnreset", 219), 5);
  EXPECT_EQ(folder_.folded(), 214u);
  now_ += FailureFolder::kWindow;
  EXPECT_EQ(Flush(), (std::map<std::string, int64_t>{{"econnreset", 214}}));
}

TEST_F(FailureFolderTest, OneKindDoesNotHideAnother) {
  EXPECT_EQ(Written("econnreset", 1000), 5);
  EXPECT_EQ(Written("truncated", 1), 1);
}

TEST_F(FailureFolderTest, OneRouteOrBackendDoesNotHideAnother) {
  EXPECT_EQ(Written("econnrefused", 1000, "orders", "10.0.0.7:80"), 5);
  EXPECT_EQ(Written("econnrefused", 2, "billing", "10.0.0.9:80"), 2);
  EXPECT_EQ(Written("econnrefused", 7, "orders", "10.0.0.8:80"), 5);
  now_ += FailureFolder::kWindow;
  EXPECT_EQ(Flush(), (std::map<std::string, int64_t>{{"econnrefusedorders10.0.0.7:80", 995},
                                                     {"econnrefusedorders10.0.0.8:80", 2}}));
}

TEST_F(FailureFolderTest, BeyondTheMostKindsRoutesAreNotToldApart) {
  for (size_t i = 0; i < FailureFolder::kMostKinds; ++i) {
    ASSERT_EQ(Written("truncated", 1, std::to_string(i)), 1);
  }
  EXPECT_EQ(Written("truncated", 4, "another"), 4);
  EXPECT_EQ(Written("truncated", 9, "yet another"), 1);
  EXPECT_EQ(Written("truncated", 9, "17"), 4) << "that one is known";
  now_ += FailureFolder::kWindow;
  EXPECT_EQ(Flush(), (std::map<std::string, int64_t>{{"truncated", 8}, {"truncated17", 5}}));
}

TEST_F(FailureFolderTest, AFewAreReportedByThemselvesOnly) {
  EXPECT_EQ(Written("truncated", 5), 5);
  now_ += FailureFolder::kWindow;
  EXPECT_TRUE(Flush().empty());
}

TEST_F(FailureFolderTest, AfterItsWindowAKindIsWrittenAgain) {
  Written("truncated", 100);
  now_ += FailureFolder::kWindow - absl::Milliseconds(1);
  EXPECT_TRUE(Flush().empty()) << "its window is not over";
  EXPECT_EQ(Written("truncated", 1), 0);
  now_ += absl::Milliseconds(1);
  EXPECT_EQ(Flush()["truncated"], 96);
  EXPECT_EQ(Written("truncated", 100), 5);
}

TEST_F(FailureFolderTest, TheNextFlushIsThatOfTheOldestWindow) {
  EXPECT_EQ(folder_.next_flush(), absl::InfiniteFuture());
  Written("a", 1);
  const absl::Time first = now_ + FailureFolder::kWindow;
  now_ += absl::Seconds(10);
  Written("b", 1);
  EXPECT_EQ(folder_.next_flush(), first);
  now_ = first;
  Flush();
  EXPECT_EQ(folder_.next_flush(), first + absl::Seconds(10));
  now_ += absl::Seconds(10);
  Flush();
  EXPECT_EQ(folder_.next_flush(), absl::InfiniteFuture()) << "nothing is kept";
}

}  // namespace
}  // namespace tlsbridge
