// Routes take turns, and of each the first to come is the first to go on.

#include "router/handshakes/turns.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

struct Named final : Turns::Waiter {
  explicit Named(std::string name) : name(std::move(name)) {}
  std::string name;
};

class TurnsTest : public ::testing::Test {
 protected:
  // Of the route that the name begins with.
  Turns::Waiter* Add(const std::string& name) {
    waiters_.push_back(std::make_unique<Named>(name));
    turns_.Add(waiters_.back().get(), &routes_[static_cast<unsigned char>(name[0])]);
    return waiters_.back().get();
  }
  std::string Next() { return static_cast<Named*>(turns_.Next())->name; }
  std::string Rest() {
    std::string all;
    while (!turns_.empty()) all += Next() + " ";
    return all;
  }

  char routes_[256] = {};
  std::vector<std::unique_ptr<Named>> waiters_;
  Turns turns_;
};

TEST_F(TurnsTest, OfOneRouteTheFirstToComeIsTheFirstToGoOn) {
  for (const char* name : {"a1", "a2", "a3"}) Add(name);
  EXPECT_EQ(turns_.size(), 3u);
  EXPECT_EQ(Rest(), "a1 a2 a3 ");
  EXPECT_EQ(turns_.size(), 0u);
}

TEST_F(TurnsTest, AStormOnOneRouteLetsTheOthersGoOnBetween) {
  for (const char* name : {"a1", "a2", "a3", "a4", "a5", "b1", "c1", "b2"}) Add(name);
  EXPECT_EQ(Rest(), "a1 b1 c1 a2 b2 a3 a4 a5 ");
}

TEST_F(TurnsTest, WhoComesLateToAQuietRouteWaitsForOneOfEachOther) {
  for (const char* name : {"a1", "a2", "a3", "b1", "b2"}) Add(name);
  EXPECT_EQ(Next(), "a1");
  Add("c1");
  EXPECT_EQ(Rest(), "b1 a2 c1 b2 a3 ");
}

TEST_F(TurnsTest, ARouteThatComesBackHasNoAdvantage) {
  for (const char* name : {"a1", "a2", "a3", "b1"}) Add(name);
  EXPECT_EQ(Next(), "a1");
  EXPECT_EQ(Next(), "b1");
  Add("b2");
  EXPECT_EQ(Next(), "a2");
  EXPECT_EQ(Next(), "b2");
}

TEST_F(TurnsTest, WhoLeavesIsNoLongerWaitedForAndMayLeaveTwice) {
  Add("a1");
  Turns::Waiter* const leaver = Add("b1");
  Add("b2");
  Turns::Remove(leaver);
  Turns::Remove(leaver);
  EXPECT_EQ(Rest(), "a1 b2 ");
}

TEST_F(TurnsTest, WhoHadItsTurnMayComeAgain) {
  Turns::Waiter* const first = Add("a1");
  Add("a2");
  EXPECT_EQ(Next(), "a1");
  turns_.Add(first, &routes_[static_cast<unsigned char>(97)]);
  EXPECT_EQ(Rest(), "a2 a1 ");
}

// Against a model: a list of routes in turn, each with its line.
TEST_F(TurnsTest, AnySequenceGoesAsTheModelSays) {
  struct Line {
    char route;
    std::deque<Named*> waiters;
  };
  for (uint32_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto below = [&random](size_t n) {
      return std::uniform_int_distribution<size_t>(0, n - 1)(random);
    };
    std::vector<Line> model;
    std::vector<Named*> waiting;
    for (int step = 0; step < 2000; ++step) {
      const size_t what = below(5);
      if (what < 2) {
        const char route = static_cast<char>('a' + below(4));
        auto* const added = static_cast<Named*>(Add(std::string(1, route)));
        waiting.push_back(added);
        auto line = std::find_if(model.begin(), model.end(),
                                 [route](const Line& each) { return each.route == route; });
        if (line == model.end()) line = model.insert(model.end(), {route, {}});
        line->waiters.push_back(added);
      } else if (waiting.empty()) {
        ASSERT_TRUE(turns_.empty());
      } else if (what == 2) {
        Named* const leaver = waiting[below(waiting.size())];
        Turns::Remove(leaver);
        std::erase(waiting, leaver);
        for (Line& line : model) std::erase(line.waiters, leaver);
        std::erase_if(model, [](const Line& line) { return line.waiters.empty(); });
      } else {
        Line line = std::move(model.front());
        model.erase(model.begin());
        Named* const expected = line.waiters.front();
        line.waiters.pop_front();
        if (!line.waiters.empty()) model.push_back(std::move(line));
        std::erase(waiting, expected);
        ASSERT_EQ(turns_.Next(), expected) << "step " << step;
      }
      ASSERT_EQ(turns_.size(), waiting.size()) << "step " << step;
    }
    while (!turns_.empty()) turns_.Next();
  }
}

}  // namespace
}  // namespace tlsbridge
