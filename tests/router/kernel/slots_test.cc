#include "router/kernel/slots.h"

#include <algorithm>

#include "gtest/gtest.h"
#include "router/kernel/ruleset.h"
#include "tests/router/kernel/support/random_plan.h"

namespace tlsbridge::kernel {
namespace {

std::vector<Backend> Backends(int count) {
  std::vector<Backend> backends(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    IpBytes address = Ip("10.7.2.0");
    address[15] = static_cast<uint8_t>(10 + i);
    backends[static_cast<size_t>(i)].endpoint = {address, 9000};
  }
  return backends;
}

ptrdiff_t SlotsOf(const std::vector<size_t>& owners, size_t backend) {
  return std::count(owners.begin(), owners.end(), backend);
}

TEST(SlotsTest, BackendsHaveSharesByWeight) {
  std::vector<Backend> backends = Backends(3);
  backends[2].weight = 2;
  const auto owners = ShareOutSlots(backends, 4096);
  EXPECT_NEAR(static_cast<double>(SlotsOf(owners, 0)), 1024, 100);
  EXPECT_NEAR(static_cast<double>(SlotsOf(owners, 1)), 1024, 100);
  EXPECT_NEAR(static_cast<double>(SlotsOf(owners, 2)), 2048, 100);
}

TEST(SlotsTest, ABackendThatLeavesMovesOnlyItsOwnSlotsAndGetsThemBack) {
  std::vector<Backend> backends = Backends(4);
  const auto before = ShareOutSlots(backends, kSlots);
  backends[1].serving = false;
  const auto without = ShareOutSlots(backends, kSlots);
  EXPECT_EQ(SlotsOf(without, 1), 0);
  for (size_t slot = 0; slot < before.size(); ++slot) {
    if (before[slot] == 1) continue;
    EXPECT_EQ(without[slot], before[slot]);
  }
  backends[1].serving = true;
  EXPECT_EQ(ShareOutSlots(backends, kSlots), before);
}

TEST(SlotsTest, NobodyServesMeansNoSlots) {
  std::vector<Backend> backends = Backends(2);
  backends[0].serving = false;
  backends[1].weight = 0;
  EXPECT_TRUE(ShareOutSlots(backends, kSlots).empty());
  EXPECT_TRUE(ShareOutSlots({}, kSlots).empty());
}

}  // namespace
}  // namespace tlsbridge::kernel
