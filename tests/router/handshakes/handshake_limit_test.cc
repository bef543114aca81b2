// How many handshakes may wait for us.

#include "router/handshakes/handshake_limit.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

// On the heap, since AddressSanitizer does not align what is on its stack to a cache line.
std::unique_ptr<HandshakeLimit> Make(int64_t limit) {
  return std::make_unique<HandshakeLimit>(limit);
}

TEST(HandshakeLimit, OneMoreIsRefusedUntilAPlaceIsGivenBack) {
  const auto owned = Make(2);
  HandshakeLimit& limit = *owned;
  HandshakeLimit::Slot first = limit.Take();
  HandshakeLimit::Slot second = limit.Take();
  EXPECT_TRUE(first);
  EXPECT_TRUE(second);
  EXPECT_FALSE(limit.Take());
  EXPECT_EQ(limit.waiting(), 2) << "one that is refused leaves no trace";
  first.Release();
  first.Release();
  EXPECT_EQ(limit.waiting(), 1) << "a place is given back once";
  EXPECT_TRUE(limit.Take());
}

TEST(HandshakeLimit, APlaceMovesAndDiesWithItsHolder) {
  const auto owned = Make(1);
  HandshakeLimit& limit = *owned;
  {
    HandshakeLimit::Slot place = limit.Take();
    const HandshakeLimit::Slot holder = std::move(place);
    EXPECT_TRUE(holder);
    EXPECT_EQ(limit.waiting(), 1);
  }
  EXPECT_EQ(limit.waiting(), 0);
}

TEST(HandshakeLimit, WhoGoesOnIsNotRefusedAndHoldsBackThoseWhoBegin) {
  const auto owned = Make(2);
  HandshakeLimit& limit = *owned;
  HandshakeLimit::Slot first = limit.Take();
  HandshakeLimit::Slot second = limit.Take();
  HandshakeLimit::Slot again = limit.TakeAgain();
  EXPECT_TRUE(again);
  EXPECT_EQ(limit.waiting(), 3);
  first.Release();
  EXPECT_FALSE(limit.Take()) << "still as many as may be";
  second.Release();
  EXPECT_TRUE(limit.Take());
}

TEST(HandshakeLimit, ZeroIsSoManyForEachWorker) {
  EXPECT_EQ(HandshakeLimit::WithDefault({}, 1).handshakes, HandshakeLimit::kDefaultPerWorker);
  EXPECT_EQ(HandshakeLimit::WithDefault({}, 8).handshakes, 8 * HandshakeLimit::kDefaultPerWorker);
  EXPECT_EQ(HandshakeLimit::WithDefault({.handshakes = 3}, 8).handshakes, 3);
}

TEST(HandshakeLimit, ANewLimitAppliesToWhoeverComesNext) {
  const auto owned = Make(2);
  HandshakeLimit& limit = *owned;
  const HandshakeLimit::Slot first = limit.Take();
  const HandshakeLimit::Slot second = limit.Take();
  limit.SetLimit(1);
  EXPECT_EQ(limit.waiting(), 2) << "those that wait go on";
  EXPECT_FALSE(limit.Take());
  limit.SetLimit(3);
  EXPECT_TRUE(limit.Take());
}

// A handshake begins, is answered, goes on, is moved about, ends at any point; the limit changes.
// However that goes, there are as many places as handshakes that wait, and when all have ended
// there are none.
TEST(HandshakeLimit, NoPlaceIsLostOrForgottenInAnySequence) {
  struct Handshake {
    HandshakeLimit::Slot place;
    bool waits = true;
  };
  for (uint32_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto below = [&random](size_t n) {
      return std::uniform_int_distribution<size_t>(0, n - 1)(random);
    };
    int64_t most = 5;
    const auto owned = Make(most);
    HandshakeLimit& limit = *owned;
    std::vector<Handshake> handshakes;
    int64_t waiting = 0;  // as the model has it
    for (int step = 0; step < 2000; ++step) {
      const size_t what = below(10);
      if (what < 3) {
        Handshake begun{limit.Take()};
        ASSERT_EQ(static_cast<bool>(begun.place), waiting < most) << "step " << step;
        if (begun.place) {
          ++waiting;
          handshakes.push_back(std::move(begun));
        }
      } else if (what == 3) {
        most = static_cast<int64_t>(below(8));
        limit.SetLimit(most);
      } else if (!handshakes.empty()) {
        Handshake& chosen = handshakes[below(handshakes.size())];
        if (what < 6) {  // it is answered; perhaps it was already
          if (std::exchange(chosen.waits, false)) --waiting;
          chosen.place.Release();
        } else if (what < 8) {
          if (!chosen.waits) {
            chosen.place = limit.TakeAgain();
            chosen.waits = true;
            ++waiting;
          }
        } else {
          if (chosen.waits) --waiting;
          std::swap(chosen, handshakes.back());
          handshakes.pop_back();
        }
      }
      ASSERT_EQ(limit.waiting(), waiting) << "step " << step;
    }
    handshakes.clear();
    ASSERT_EQ(limit.waiting(), 0);
    limit.SetLimit(1);
    EXPECT_TRUE(limit.Take());
  }
}

TEST(HandshakeLimit, HoldsAcrossThreads) {
  constexpr int64_t kLimit = 3;
  const auto owned = Make(kLimit);
  HandshakeLimit& limit = *owned;
  std::atomic<int64_t> holders{0};
  std::atomic<bool> exceeded{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 20'000; ++j) {
        const HandshakeLimit::Slot place = limit.Take();
        if (!place) continue;
        if (holders.fetch_add(1) >= kLimit) exceeded = true;
        holders.fetch_sub(1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(exceeded);
  EXPECT_EQ(limit.waiting(), 0);
}

}  // namespace
}  // namespace tlsbridge
