// How many connections descriptors and memory allow.

#include "router/limits/budget.h"

#include <stdint.h>
#include <sys/resource.h>

#include <algorithm>

#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

constexpr int64_t kPlenty = int64_t{1} << 50;

TEST(ConnectionBudget, AConnectionTakesTwoDescriptors) {
  EXPECT_EQ(ConnectionBudget(kReservedDescriptors + 2000, kPlenty), 1000);
  EXPECT_EQ(ConnectionBudget(kReservedDescriptors + 2001, kPlenty), 1000);
}

TEST(ConnectionBudget, ThreeQuartersOfMemoryMayGoToConnections) {
  EXPECT_EQ(ConnectionBudget(kPlenty, 400 * kBytesPerConnection), 300);
}

TEST(ConnectionBudget, TheSmallerOfBothDecides) {
  EXPECT_EQ(ConnectionBudget(kReservedDescriptors + 20, 400 * kBytesPerConnection), 10);
  EXPECT_EQ(ConnectionBudget(kReservedDescriptors + 2000, 4 * kBytesPerConnection), 3);
}

TEST(ConnectionBudget, IsNeverLessThanOne) {
  EXPECT_EQ(ConnectionBudget(0, kPlenty), 1);
  EXPECT_EQ(ConnectionBudget(kPlenty, 0), 1);
  EXPECT_EQ(ConnectionBudget(-5, -5), 1);
}

TEST(ConnectionBudget, DoesNotOverflow) {
  EXPECT_GT(ConnectionBudget(INT64_MAX, INT64_MAX), 1'000'000);
}

TEST(ClaimBudget, RaisesTheSoftLimitOfDescriptorsToTheHardOne) {
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit low = {64, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  const Budget budget = ClaimBudget();
  rlimit after;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &after), 0);
  EXPECT_EQ(budget.descriptors, static_cast<int64_t>(after.rlim_cur));
  EXPECT_EQ(after.rlim_cur, std::min<rlim_t>(before.rlim_max, 1'000'000));
  EXPECT_GT(budget.memory_bytes, 0);
  EXPECT_EQ(budget.connections, ConnectionBudget(budget.descriptors, budget.memory_bytes));
  setrlimit(RLIMIT_NOFILE, &before);
}

}  // namespace
}  // namespace tlsbridge
