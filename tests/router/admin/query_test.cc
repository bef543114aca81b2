// What stands behind the "?"; without a socket.

#include "router/admin/query.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string Refusal(const absl::Status& status) { return std::string(status.message()); }
std::string PageRefusal(const std::string& query) {
  return Refusal(ConnectionPage::Parse(query).status());
}

ConnectionRecord RecordOf(const std::string& peer, const Route* route) {
  ConnectionRecord record;
  record.peer = *SocketAddress::Parse(peer);
  record.route = route;
  return record;
}

TEST(QueryTest, EscapesAreDecoded) {
  const auto parsed = ParseQuery("a=%5B::1%5d:80&b&c=1=2");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(*parsed, (QueryParameters{{"a", "[::1]:80"}, {"b", ""}, {"c", "1=2"}}));
  EXPECT_THAT(Refusal(ParseQuery("a=%5").status()), HasSubstr("hexadecimal"));
  EXPECT_THAT(Refusal(ParseQuery("a=%zz").status()), HasSubstr("hexadecimal"));
  EXPECT_THAT(Refusal(ParseQuery("a=1&a=2").status()), HasSubstr("a: is given twice"));
}

TEST(QueryTest, APageHasALimitAndABeginning) {
  const auto all = ConnectionPage::Parse("");
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(all->limit, ConnectionPage::kMost);
  EXPECT_TRUE(all->filter.all());
  const auto page = ConnectionPage::Parse("after=7&limit=100");
  ASSERT_TRUE(page.ok());
  EXPECT_EQ(page->after, 7u);
  EXPECT_EQ(page->limit, 100u);
}

TEST(QueryTest, WhatIsWrongIsNamedWithWhatIsAllowed) {
  EXPECT_THAT(PageRefusal("page=2"), AllOf(HasSubstr("'page'"), HasSubstr("route, reason, peer")));
  EXPECT_THAT(PageRefusal("limit=0"), AllOf(HasSubstr("limit: '0'"), HasSubstr("from 1 to 10000")));
  EXPECT_THAT(PageRefusal("limit=10001"), HasSubstr("limit"));
  EXPECT_THAT(PageRefusal("limit"), HasSubstr("limit"));
  EXPECT_THAT(PageRefusal("after=-1"), HasSubstr("after"));
  EXPECT_THAT(PageRefusal("after=99999999999999999999"), HasSubstr("after"));
  EXPECT_THAT(PageRefusal("reason=bad"), AllOf(HasSubstr("reason"), HasSubstr("econnreset")));
  EXPECT_THAT(PageRefusal("state=bad"), AllOf(HasSubstr("state"), HasSubstr("half-closed")));
  EXPECT_THAT(PageRefusal("peer=host"), AllOf(HasSubstr("peer"), HasSubstr("IP:PORT")));
  EXPECT_THAT(PageRefusal("peer=10.0.0.1/8"), HasSubstr("peer"));
  EXPECT_THAT(PageRefusal("route="), HasSubstr("route"));
  EXPECT_THAT(PageRefusal("%0aX=1"), HasSubstr("'\\nX'")) << "a peer's bytes are escaped";
  EXPECT_THAT(Refusal(ParseFailureQuery("limit=201").status()), HasSubstr("from 1 to 200"));
  EXPECT_THAT(Refusal(ParseFailureQuery("state=bridging").status()), HasSubstr("'state'"));
  EXPECT_THAT(Refusal(ParseLevelQuery("").status()), HasSubstr("?level="));
  EXPECT_THAT(Refusal(ParseLevelQuery("level=loud").status()),
              AllOf(HasSubstr("level: 'loud'"), HasSubstr("warning")));
}

TEST(QueryTest, FiltersByPeerAsAddressBlockOrConnection) {
  const Route route{.name = "orders"};
  const auto matches = [&route](const std::string& wanted, const std::string& peer) {
    const auto page = ConnectionPage::Parse("peer=" + wanted);
    EXPECT_TRUE(page.ok()) << page.status();
    return page.ok() && page->filter.Matches(RecordOf(peer, &route), BridgeState::kBridging);
  };
  EXPECT_TRUE(matches("10.1.2.3", "10.1.2.3:4711"));
  EXPECT_FALSE(matches("10.1.2.4", "10.1.2.3:4711"));
  EXPECT_TRUE(matches("10.0.0.0/8", "10.1.2.3:4711"));
  EXPECT_TRUE(matches("10.1.2.3:4711", "10.1.2.3:4711"));
  EXPECT_FALSE(matches("10.1.2.3:4712", "10.1.2.3:4711"));
  EXPECT_TRUE(matches("%5B2001:db8::1%5D:80", "[2001:db8::1]:80"));
  EXPECT_TRUE(matches("2001:db8::/32", "[2001:db8::1]:80"));
  EXPECT_TRUE(matches("unix:", "unix:/run/x"));
  EXPECT_FALSE(matches("unix:", "10.1.2.3:4711"));
  EXPECT_FALSE(matches("10.0.0.0/8", "unix:/run/x"));
}

TEST(QueryTest, FiltersByRouteStateAndReason) {
  const Route route{.name = "orders"};
  ConnectionRecord record = RecordOf("10.1.2.3:4711", &route);
  const auto matches = [&record](const std::string& query) {
    return ConnectionPage::Parse(query)->filter.Matches(record, BridgeState::kHalfClosed);
  };
  EXPECT_TRUE(matches("route=orders&state=half-closed"));
  EXPECT_FALSE(matches("route=billing&state=half-closed"));
  EXPECT_FALSE(matches("route=orders&state=bridging"));
  EXPECT_FALSE(matches("reason=inactivity")) << "its end is not decided";
  record.cleanup_started = true;
  record.end.reason = TerminationReason::kInactivity;
  EXPECT_TRUE(matches("reason=inactivity"));
  EXPECT_FALSE(matches("reason=shutdown"));
}

}  // namespace
}  // namespace tlsbridge
