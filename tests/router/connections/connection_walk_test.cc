// Lists of connections are made in slices: how many a slice has, and what happens between two.

#include "router/connections/connection_walk.h"

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/router_fixture.h"

namespace tlsbridge::testing {
namespace {

using Ids = std::vector<uint64_t>;

class ConnectionWalkTest : public RouterFixture {
 protected:
  void StartWith(size_t clients) {
    StartRouter();
    Connect(clients);
  }
  // That say nothing yet.
  void Connect(size_t clients) {
    const size_t wanted = live_connections() + clients;
    for (size_t i = 0; i < clients; ++i) clients_.push_back(ConnectClient());
    ASSERT_TRUE(Until([&] { return live_connections() == wanted; }));
  }
  void InitiateEnd(Connection& connection) {
    manager_->InitiateCleanupOnce(connection.record(), tlsbridge::End::OfBoth(Reason::kAdmin));
    connection.bridge().CloseNow();
  }
  // Those that a walk has visited, and how many in each turn.
  void Begin(ConnectionWalk& walk, size_t in_a_turn, const IdRange& range = {}) {
    walk.Begin(
        range, in_a_turn, [this](Connection& visited) { visited_.push_back(visited.record().id); },
        [this] { ++done_; });
  }
  Ids TakeTurn() {
    visited_.clear();
    loop_->Turn(/*wait=*/false);
    return visited_;
  }
  static Ids From(uint64_t first, uint64_t last) {
    Ids ids;
    for (uint64_t id = first; id <= last; ++id) ids.push_back(id);
    return ids;
  }

  using Reason = TerminationReason;
  std::vector<std::unique_ptr<Peer>> clients_;
  Ids visited_;
  int done_ = 0;
};

TEST_F(ConnectionWalkTest, ATurnHasASliceAndAllSlicesHaveEachOnce) {
  ASSERT_NO_FATAL_FAILURE(StartWith(10));
  ConnectionWalk walk(loop_.get(), &manager_->connections());
  Begin(walk, 4);
  EXPECT_EQ(visited_, Ids()) << "nothing at once";
  EXPECT_EQ(TakeTurn(), From(1, 4));
  EXPECT_EQ(TakeTurn(), From(5, 8));
  EXPECT_EQ(done_, 0);
  EXPECT_EQ(TakeTurn(), From(9, 10));
  EXPECT_EQ(done_, 1);
  EXPECT_EQ(walk.under_way(), 0u);
}

TEST_F(ConnectionWalkTest, OfNobodyItIsDoneInALaterTurn) {
  StartRouter();
  ConnectionWalk walk(loop_.get(), &manager_->connections());
  Begin(walk, 4);
  EXPECT_EQ(done_, 0);
  EXPECT_EQ(TakeTurn(), Ids());
  EXPECT_EQ(done_, 1);
}

TEST_F(ConnectionWalkTest, ThoseThatEndBetweenSlicesAreNotVisitedAndDoNoHarm) {
  ASSERT_NO_FATAL_FAILURE(StartWith(8));
  ConnectionWalk walk(loop_.get(), &manager_->connections());
  Begin(walk, 2);
  EXPECT_EQ(TakeTurn(), From(1, 2));
  // The last that was visited, the next, and the last of all.
  for (const uint64_t id : {2, 3, 8}) InitiateEnd(*manager_->connections().at(id));
  EXPECT_EQ(TakeTurn(), From(4, 5));
  EXPECT_EQ(TakeTurn(), From(6, 7));
  EXPECT_EQ(done_, 1);
}

TEST_F(ConnectionWalkTest, AllMayEndBetweenSlices) {
  ASSERT_NO_FATAL_FAILURE(StartWith(8));
  ConnectionWalk walk(loop_.get(), &manager_->connections());
  Begin(walk, 2);
  EXPECT_EQ(TakeTurn(), From(1, 2));
  for (const uint64_t id : From(1, 8)) InitiateEnd(*manager_->connections().at(id));
  EXPECT_EQ(TakeTurn(), Ids());
  EXPECT_EQ(done_, 1);
}

TEST_F(ConnectionWalkTest, ThoseThatComeMeanwhileDoNotProlongIt) {
  ASSERT_NO_FATAL_FAILURE(StartWith(4));
  ConnectionWalk walk(loop_.get(), &manager_->connections());
  Begin(walk, 2);
  clients_.push_back(ConnectClient());
  EXPECT_EQ(TakeTurn(), From(1, 2));
  EXPECT_EQ(TakeTurn(), From(3, 4));
  EXPECT_EQ(done_, 1);
  EXPECT_EQ(live_connections(), 5u);
}

TEST_F(ConnectionWalkTest, SeveralShareTheTurns) {
  ASSERT_NO_FATAL_FAILURE(StartWith(4));
  ConnectionWalk walk(loop_.get(), &manager_->connections());
  Begin(walk, 2);
  Begin(walk, 3, {.after = 1});
  EXPECT_EQ(TakeTurn(), From(1, 2));
  EXPECT_EQ(TakeTurn(), From(2, 4));
  EXPECT_EQ(TakeTurn(), From(3, 4));
  EXPECT_EQ(done_, 2);
}

TEST_F(ConnectionWalkTest, AListIsMadeInSlicesOfTheBound) {
  const size_t count = 3 * ConnectionWalk::kThorough;
  ASSERT_NO_FATAL_FAILURE(StartWith(count));
  nlohmann::json records;
  manager_->List({}, {}, [&records](ConnectionManager::Listing listing) {
    records = nlohmann::json::parse("[" + listing.records + "]");
  });
  for (int turn = 0; turn < 2; ++turn) {
    loop_->Turn(/*wait=*/false);
    EXPECT_TRUE(records.is_null()) << "in one slice less than there are";
  }
  loop_->Turn(/*wait=*/false);
  EXPECT_EQ(records.size(), count);
}

TEST_F(ConnectionWalkTest, PagesHaveEachThatLivesThroughoutOnceWhateverComesAndGoes) {
  ASSERT_NO_FATAL_FAILURE(StartWith(40));
  Ids listed;
  uint64_t after = 0;
  for (int page = 0; page < 100; ++page) {
    const Ids next = manager_->NextIds(after, 7);
    if (next.empty()) break;
    bool done = false;
    manager_->List({.after = after, .until = next.back()}, {},
                   [&listed, &done](const ConnectionManager::Listing& listing) {
                     for (const auto& r : nlohmann::json::parse("[" + listing.records + "]")) {
                       listed.push_back(r["id"]);
                     }
                     done = true;
                   });
    // While it is made: one of it ends, and one comes.
    if (next.size() > 3) InitiateEnd(*manager_->connections().at(next[3]));
    if (page < 5) clients_.push_back(ConnectClient());
    ASSERT_TRUE(Until([&done] { return done; }));
    after = next.back();
  }
  EXPECT_TRUE(std::is_sorted(listed.begin(), listed.end()));
  EXPECT_EQ(std::adjacent_find(listed.begin(), listed.end()), listed.end()) << "none twice";
  for (const auto& [id, connection] : manager_->connections()) {
    EXPECT_TRUE(std::binary_search(listed.begin(), listed.end(), id)) << id;
  }
}

TEST_F(ConnectionWalkTest, MayDieUnderWay) {
  ASSERT_NO_FATAL_FAILURE(StartWith(4));
  {
    ConnectionWalk walk(loop_.get(), &manager_->connections());
    Begin(walk, 2);
    EXPECT_EQ(TakeTurn(), From(1, 2));
  }
  EXPECT_EQ(TakeTurn(), Ids());
  EXPECT_EQ(done_, 0);
}

}  // namespace
}  // namespace tlsbridge::testing
