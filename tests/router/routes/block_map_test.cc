#include "router/routes/block_map.h"

#include <optional>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

Cidr Block(const std::string& text) { return *Cidr::Parse(text); }

TEST(BlockMapTest, OfTwoBlocksThatOverlapOneIsInsideTheOther) {
  EXPECT_EQ(Intersection(Block("10.0.0.0/8"), Block("10.1.0.0/16")), Block("10.1.0.0/16"));
  EXPECT_EQ(Intersection(Block("10.1.0.0/16"), Block("10.0.0.0/8")), Block("10.1.0.0/16"));
  EXPECT_EQ(Intersection(Block("::/0"), Block("10.1.0.0/16")), Block("10.1.0.0/16"));
  EXPECT_EQ(Intersection(Block("10.1.0.0/16"), Block("10.2.0.0/16")), std::nullopt);
}

TEST(BlockMapTest, FindsWhatIsAroundAndInsideAsComparingWithEveryBlockDoes) {
  std::mt19937 random(1);
  const auto block = [&random] {
    const auto bits = static_cast<uint32_t>(1 + random() % 8);
    const uint32_t prefix = random() % 256 & (0xff00 >> bits) & 0xff;
    return Block("10." + std::to_string(prefix) + ".0.0/" + std::to_string(8 + bits));
  };
  for (int round = 0; round < 200; ++round) {
    BlockMap map;
    std::vector<Cidr> all;
    for (size_t i = 0; i < random() % 6; ++i) {
      all.push_back(block());
      map.Add(all.back(), i);
    }
    const Cidr asked = block();
    bool is_around = false;
    bool is_inside = false;
    for (const Cidr& one : all) {
      const std::optional<Cidr> common = Intersection(one, asked);
      is_around = is_around || common == asked;
      is_inside = is_inside || common == one;
    }
    EXPECT_EQ(map.Around(asked).has_value(), is_around) << "round " << round;
    EXPECT_EQ(map.FirstInside(asked, [](const Cidr&) { return true; }).has_value(), is_inside)
        << "round " << round;
  }
}

TEST(BlockMapTest, OfAllBlocksThatHaveAnAddressTheLeastIsFound) {
  BlockMap map;
  map.Add(Block("10.0.0.0/8"), 2);
  map.Add(Block("10.1.0.0/16"), 3);
  map.Add(Block("10.1.2.3"), 1);
  const IpBytes one = Block("10.1.2.3").prefix();
  EXPECT_EQ(map.LeastOf(one), 1U);
  EXPECT_EQ(map.LeastOf(Block("10.1.2.4").prefix()), 2U);
  EXPECT_EQ(map.LeastOf(Block("11.1.2.4").prefix()), std::nullopt);
}

TEST(BlockMapTest, TheFirstInsideIsOneThatIsWanted) {
  BlockMap map;
  map.Add(Block("10.1.0.0/16"), 1);
  map.Add(Block("10.2.0.0/16"), 2);
  map.Add(Block("10.2.0.0/16"), 3);
  const auto is_second = [](const Cidr& inside) { return inside == Block("10.2.0.0/16"); };
  EXPECT_EQ(map.FirstInside(Block("10.0.0.0/8"), is_second), 2U);
  EXPECT_EQ(map.FirstInside(Block("10.1.0.0/16"), is_second), std::nullopt);
}

}  // namespace
}  // namespace tlsbridge
