#include "router/backends/srv_answer.h"

#include <gtest/gtest.h>

#include <random>

namespace tlsbridge {
namespace {

constexpr char kAnswer[] =
    "\x12\x34\x85\x80\x00\x01\x00\x02\x00\x00\x00\x00"
    "\x05_http\x04_tcp\x01x\x00\x00\x21\x00\x01"
    "\xc0\x0c\x00\x21\x00\x01\x00\x00\x00\x1e\x00\x0a\x00\x0a\x00\x3c\x1f\x90\x01"
    "a\xc0\x17"
    "\xc0\x0c\x00\x21\x00\x01\x00\x00\x00\x05\x00\x0a\x00\x14\x00\x00\x1f\x91\x01"
    "b\xc0\x17";

// Where the first record's data begin; their length is in the two bytes before.
constexpr size_t kData = 42;

std::string Whole() { return std::string(kAnswer, sizeof(kAnswer) - 1); }

absl::StatusOr<SrvAnswer> Parse(const std::string& bytes) {
  return ParseSrvAnswer({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
}

TEST(SrvAnswer, ReadsCompressedTargetsAndTheShortestTtl) {
  const auto answer = Parse(Whole());
  ASSERT_TRUE(answer.ok()) << answer.status();
  ASSERT_EQ(answer->records.size(), 2u);
  EXPECT_EQ(answer->records[0].target, "a.x");
  EXPECT_EQ(answer->records[0].priority, 10);
  EXPECT_EQ(answer->records[0].weight, 60);
  EXPECT_EQ(answer->records[0].port, 8080);
  EXPECT_EQ(answer->records[1].target, "b.x");
  EXPECT_EQ(answer->records[1].port, 8081);
  EXPECT_EQ(answer->ttl, absl::Seconds(5));
}

TEST(SrvAnswer, RefusesEveryPrefix) {
  const std::string whole = Whole();
  for (size_t bytes = 0; bytes < whole.size(); ++bytes) {
    EXPECT_FALSE(Parse(whole.substr(0, bytes)).ok()) << bytes;
  }
}

TEST(SrvAnswer, RefusesATargetThatIsLongerThanItsData) {
  std::string bytes = Whole();
  bytes[kData - 1] = 9;  // the first record's data ends inside the pointer
  EXPECT_FALSE(Parse(bytes).ok());
}

TEST(SrvAnswer, RefusesAPointerToItself) {
  std::string bytes = Whole();
  bytes[bytes.size() - 1] = static_cast<char>(bytes.size() - 2);
  EXPECT_FALSE(Parse(bytes).ok());
}

TEST(SrvAnswer, ATargetOfTheRootMeansNoService) {
  std::string bytes = Whole().substr(0, kData + 6) + '\0';
  bytes[7] = 1;  // answer
  bytes[kData - 1] = 7;
  const auto answer = Parse(bytes);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_TRUE(answer->records.empty());
}

TEST(SrvAnswer, SurvivesAnyBytes) {
  std::minstd_rand random(1);
  for (int i = 0; i < 200000; ++i) {
    std::string bytes = Whole();
    for (int change = 0; change < 3; ++change) {
      bytes[random() % bytes.size()] = static_cast<char>(random() % 256);
    }
    const auto answer = Parse(bytes);
    if (answer.ok()) {
      EXPECT_LE(answer->records.size(), 6u);
    }
  }
}

}  // namespace
}  // namespace tlsbridge
