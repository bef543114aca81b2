// What is kept of connections that ended in order: how many, how much of each, and who is found.

#include "router/connections/recent_ends.h"

#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "router/config/cidr.h"

namespace tlsbridge {
namespace {

EndedConnection Ended(uint64_t id, const std::string& peer = "10.0.0.7:4711",
                      const std::string& route = "orders") {
  EndedConnection ended;
  ended.at = absl::FromUnixSeconds(static_cast<int64_t>(id));
  ended.id = id;
  ended.peer = *SocketAddress::Parse(peer);
  ended.listener = *SocketAddress::Parse("127.0.0.1:8443");
  ended.route = route;
  ended.end = End::OfBoth(TerminationReason::kClosedOutgoing);
  return ended;
}

std::vector<uint64_t> Ids(const RecentEnds& ends, const RecentEnds::Query& query) {
  std::vector<uint64_t> ids;
  for (const RecentEnds::Found& found : ends.Find(query)) {
    ids.push_back(nlohmann::json::parse(found.json, nullptr, false)["fields"].value("id", 0u));
  }
  return ids;
}

TEST(RecentEndsTest, TheLatestComeFirstAndTheOldestMakeRoom) {
  RecentEnds ends;
  EXPECT_TRUE(ends.Find({}).empty());
  for (uint64_t id = 1; id <= RecentEnds::kMost + 3; ++id) ends.Add(Ended(id));
  const std::vector<uint64_t> all = Ids(ends, {.limit = RecentEnds::kMost + 10});
  ASSERT_EQ(all.size(), RecentEnds::kMost);
  EXPECT_EQ(all.front(), RecentEnds::kMost + 3);
  EXPECT_EQ(all.back(), 4u);
  EXPECT_EQ(Ids(ends, {.limit = 2}),
            (std::vector<uint64_t>{RecentEnds::kMost + 3, RecentEnds::kMost + 2}));
  EXPECT_EQ(Ids(ends, {.id = 4}), std::vector<uint64_t>{4});
  EXPECT_TRUE(Ids(ends, {.id = 3}).empty());
}

TEST(RecentEndsTest, AreFoundByRouteReasonAndPeer) {
  RecentEnds ends;
  ends.Add(Ended(1));
  ends.Add(Ended(2, "10.0.0.8:4711"));
  ends.Add(Ended(3, "10.0.0.7:4712", "billing"));
  RecentEnds::Query query;
  query.filter.peer = *Cidr::Parse("10.0.0.7");
  EXPECT_EQ(Ids(ends, query), (std::vector<uint64_t>{3, 1}));
  query.filter.route = "billing";
  EXPECT_EQ(Ids(ends, query), std::vector<uint64_t>{3});
  query.filter.reason = TerminationReason::kInactivity;
  EXPECT_TRUE(Ids(ends, query).empty());
}

TEST(RecentEndsTest, WhatAClientChoosesIsKeptInPart) {
  RecentEnds ends;
  EndedConnection ended = Ended(1);
  ended.client = std::string(100'000, 'c');
  ended.server_name = std::string(100'000, 's');
  ended.alpn_offered = std::string(100'000, 'a');
  ends.Add(std::move(ended));
  const std::string json = ends.Find({}).at(0).json;
  EXPECT_LT(json.size(), 3 * RecentEnds::kMostText);
  EXPECT_NE(json.find("\"client\":\"cccc"), std::string::npos) << json;
}

}  // namespace
}  // namespace tlsbridge
