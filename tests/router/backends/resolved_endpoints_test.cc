#include "router/backends/resolved_endpoints.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/router/backends/routes.h"

namespace tlsbridge {
namespace {

using testing::Address;
using ::testing::ElementsAre;

std::vector<SocketAddress> Addresses(const std::vector<std::string>& texts) {
  std::vector<SocketAddress> addresses;
  for (const std::string& text : texts) addresses.push_back(Address(text));
  return addresses;
}

std::vector<std::string> Show(const std::vector<ResolvedEndpoint>& endpoints) {
  std::vector<std::string> shown;
  for (const ResolvedEndpoint& endpoint : endpoints) {
    std::string text;
    for (const SocketAddress& address : endpoint.addresses) {
      text += (text.empty() ? "" : " ") + address.ToString();
    }
    shown.push_back(text);
  }
  return shown;
}

TEST(NameMeaning, EachAddressOfOneFamilyIsAnEndpoint) {
  EXPECT_THAT(Show(EndpointsAt(Addresses({"10.0.0.2:80", "10.0.0.1:80", "10.0.0.2:80"}))),
              ElementsAre("10.0.0.1:80", "10.0.0.2:80"));
  EXPECT_TRUE(EndpointsAt(absl::Span<const SocketAddress>()).empty());
}

TEST(NameMeaning, PairsTheFamiliesPreferredFirst) {
  EXPECT_THAT(Show(EndpointsAt(Addresses({"[fd00::1]:80", "10.0.0.1:80"}))),
              ElementsAre("[fd00::1]:80 10.0.0.1:80"));
  EXPECT_THAT(Show(EndpointsAt(Addresses({"10.0.0.1:80", "[fd00::1]:80"}))),
              ElementsAre("10.0.0.1:80 [fd00::1]:80"));
}

TEST(NameMeaning, SpreadsOverTheLargerFamily) {
  EXPECT_THAT(
      Show(EndpointsAt(Addresses({"[fd00::1]:80", "10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"}))),
      ElementsAre("10.0.0.1:80 [fd00::1]:80", "10.0.0.2:80 [fd00::1]:80",
                  "10.0.0.3:80 [fd00::1]:80"));
}

TEST(NameMeaning, DoesNotDependOnTheOrderOfTheAnswer) {
  EXPECT_EQ(EndpointsAt(Addresses({"10.0.0.2:80", "10.0.0.1:80"})),
            EndpointsAt(Addresses({"10.0.0.1:80", "10.0.0.2:80"})));
}

TEST(NameMeaning, PrioritiesAreTiersAndWeightsAreShares) {
  const std::vector<SrvRecord> records = {
      {5, 1, 80, "small"}, {5, 3, 80, "large"}, {9, 0, 80, "spare"}, {2, 7, 80, "unresolved"}};
  const auto endpoints = EndpointsAt(records, {Addresses({"10.0.0.1:80"}),
                                               Addresses({"10.0.0.2:80", "10.0.0.3:80"}),
                                               Addresses({"10.0.0.4:80"}),
                                               {}});
  EXPECT_THAT(Show(endpoints),
              ElementsAre("10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80", "10.0.0.4:80"));
  EXPECT_DOUBLE_EQ(endpoints[0].share, 0.5);
  EXPECT_DOUBLE_EQ(endpoints[1].share, 0.75);  // half of 1.5
  EXPECT_DOUBLE_EQ(endpoints[2].share, 0.75);
  EXPECT_DOUBLE_EQ(endpoints[3].share, 1);
  EXPECT_EQ(endpoints[0].tier, 0);
  EXPECT_EQ(endpoints[2].tier, 0);
  EXPECT_EQ(endpoints[3].tier, 1);
}

}  // namespace
}  // namespace tlsbridge
