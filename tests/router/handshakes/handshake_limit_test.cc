// How many handshakes may be in progress.

#include "router/handshakes/handshake_limit.h"

#include <atomic>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

// On the heap, since AddressSanitizer does not align what is on its stack to a cache line.
std::unique_ptr<HandshakeLimit> Make(const Limits& limits, int workers) {
  return std::make_unique<HandshakeLimit>(limits, workers);
}

TEST(HandshakeLimit, OneMoreIsRefusedUntilAPlaceIsGivenBack) {
  const auto owned = Make({.handshakes = 2}, 4);
  HandshakeLimit& limit = *owned;
  HandshakeLimit::Place first = limit.Take();
  HandshakeLimit::Place second = limit.Take();
  EXPECT_TRUE(first);
  EXPECT_TRUE(second);
  EXPECT_FALSE(limit.Take());
  EXPECT_EQ(limit.in_progress(), 2) << "one that is refused leaves no trace";
  first.GiveBack();
  first.GiveBack();
  EXPECT_EQ(limit.in_progress(), 1) << "a place is given back once";
  EXPECT_TRUE(limit.Take());
}

TEST(HandshakeLimit, APlaceMovesAndDiesWithItsHolder) {
  const auto owned = Make({.handshakes = 1}, 1);
  HandshakeLimit& limit = *owned;
  {
    HandshakeLimit::Place place = limit.Take();
    const HandshakeLimit::Place holder = std::move(place);
    EXPECT_TRUE(holder);
    EXPECT_EQ(limit.in_progress(), 1);
  }
  EXPECT_EQ(limit.in_progress(), 0);
}

TEST(HandshakeLimit, ZeroIsSoManyForEachWorker) {
  EXPECT_EQ(Make({}, 1)->limit(), HandshakeLimit::kDefaultPerWorker);
  EXPECT_EQ(Make({}, 8)->limit(), 8 * HandshakeLimit::kDefaultPerWorker);
}

TEST(HandshakeLimit, ANewLimitAppliesToWhoeverComesNext) {
  const auto owned = Make({.handshakes = 2}, 1);
  HandshakeLimit& limit = *owned;
  const HandshakeLimit::Place first = limit.Take();
  const HandshakeLimit::Place second = limit.Take();
  limit.SetLimits({.handshakes = 1});
  EXPECT_EQ(limit.in_progress(), 2) << "those in progress go on";
  EXPECT_FALSE(limit.Take());
  limit.SetLimits({.handshakes = 3});
  EXPECT_TRUE(limit.Take());
}

TEST(HandshakeLimit, HoldsAcrossThreads) {
  constexpr int64_t kLimit = 3;
  const auto owned = Make({.handshakes = kLimit}, 4);
  HandshakeLimit& limit = *owned;
  std::atomic<int64_t> holders{0};
  std::atomic<bool> exceeded{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 20'000; ++j) {
        const HandshakeLimit::Place place = limit.Take();
        if (!place) continue;
        if (holders.fetch_add(1) >= kLimit) exceeded = true;
        holders.fetch_sub(1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(exceeded);
  EXPECT_EQ(limit.in_progress(), 0);
}

}  // namespace
}  // namespace tlsbridge
