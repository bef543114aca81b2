// The line of version 1 (proxy-protocol.txt section 2.1).

#include <string>

#include "gtest/gtest.h"
#include "tests/bridge/proxy_protocol/proxy_bytes.h"

namespace tlsbridge::proxy_protocol::testing {
namespace {

TEST(ProxyLine, OfTheSpecificationIsUnderstood) {
  const Header header = DecodeEveryWay("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n");
  EXPECT_EQ(header.source.ToString(), "192.168.0.1:56324");
  EXPECT_EQ(header.destination.ToString(), "192.168.0.11:443");
  EXPECT_FALSE(header.local);
}

TEST(ProxyLine, MayBeAsLongAsTheLongestOfIpv4) {
  const std::string line = "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n";
  ASSERT_EQ(line.size(), 56u);
  EXPECT_EQ(DecodeEveryWay(line).source.ToString(), "255.255.255.255:65535");
}

TEST(ProxyLine, MayBeAsLongAsTheLongestOfIpv6) {
  const std::string all = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
  const std::string line = "PROXY TCP6 " + all + " " + all + " 65535 65535\r\n";
  ASSERT_EQ(line.size(), 104u);
  EXPECT_EQ(DecodeEveryWay(line).destination.ToString(), "[" + all + "]:65535");
}

TEST(ProxyLine, TakesIpv6InEveryForm) {
  const Header header = DecodeEveryWay("PROXY TCP6 2001:DB8::1 ::ffff:192.0.2.1 0 65535\r\n");
  EXPECT_EQ(header.source.ToString(), "[2001:db8::1]:0");
  EXPECT_EQ(header.destination.ToString(), "[::ffff:192.0.2.1]:65535");
}

TEST(ProxyLine, UnknownKeepsTheConnectionsOwnAddresses) {
  const std::string all = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
  const std::string longest = "PROXY UNKNOWN " + all + " " + all + " 65535 65535\r\n";
  ASSERT_EQ(longest.size(), kMaxLineBytes);
  for (const std::string& line : {std::string("PROXY UNKNOWN\r\n"), longest,
                                  std::string("PROXY UNKNOWN \r \n whatever it is\r\n")}) {
    EXPECT_EQ(DecodeEveryWay(line), Header()) << line;
  }
}

TEST(ProxyLine, WithoutItsEndInTheFirst107BytesIsRefused) {
  const std::string line = "PROXY UNKNOWN " + std::string(kMaxLineBytes - 14, 'x');
  EXPECT_EQ(DecodeAtOnce(line.substr(0, kMaxLineBytes - 1)).progress, Decoder::Progress::kNeedMore);
  EXPECT_EQ(ReasonFor(line), "line_too_long");
  EXPECT_EQ(ReasonFor(line + "\r\n"), "line_too_long");
  EXPECT_EQ(ReasonFor(line.substr(0, kMaxLineBytes - 1) + "\r\n"), "line_too_long");
}

TEST(ProxyLine, IsRefusedAtItsFirstWrongByte) {
  const std::string start = "PROXY ";
  for (size_t at = 0; at < start.size(); ++at) {
    std::string wrong = start.substr(0, at + 1);
    wrong[at] = '#';
    EXPECT_EQ(ReasonFor(wrong), "no_signature") << wrong;
  }
}

struct Wrong {
  std::string line;  // without CRLF
  std::string reason;
};

class ProxyLineRefuses : public ::testing::TestWithParam<Wrong> {};

TEST_P(ProxyLineRefuses, WhateverIsNotExactlyTheGrammar) {
  EXPECT_EQ(ReasonFor(GetParam().line + "\r\n"), GetParam().reason) << GetParam().line;
}

INSTANTIATE_TEST_SUITE_P(
    ProxyLine, ProxyLineRefuses,
    ::testing::Values(Wrong{"PROXY", "no_signature"},
                      Wrong{"proxy TCP4 1.1.1.1 2.2.2.2 1 2", "no_signature"},
                      Wrong{"PROXY ", "family"}, Wrong{"PROXY  TCP4 1.1.1.1 2.2.2.2 1 2", "family"},
                      Wrong{"PROXY TCP5 1.1.1.1 2.2.2.2 1 2", "family"},
                      Wrong{"PROXY tcp4 1.1.1.1 2.2.2.2 1 2", "family"},
                      Wrong{"PROXY UDP4 1.1.1.1 2.2.2.2 1 2", "family"},
                      Wrong{"PROXY UNKNOWNS", "family"}, Wrong{"PROXY unknown", "family"},
                      Wrong{"PROXY TCP4", "fields"},
                      Wrong{"PROXY TCP4 1.1.1.1 2.2.2.2 1", "fields"},
                      Wrong{"PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3", "fields"},
                      Wrong{"PROXY TCP4 1.1.1.1 2.2.2.2 1 2 ", "fields"},
                      Wrong{"PROXY TCP4  1.1.1.1 2.2.2.2 1 2", "fields"},
                      Wrong{"PROXY TCP4\t1.1.1.1 2.2.2.2 1 2", "family"},
                      Wrong{"PROXY TCP4 1.1.1 2.2.2.2 1 2", "address"},
                      Wrong{"PROXY TCP4 01.1.1.1 2.2.2.2 1 2", "address"},
                      Wrong{"PROXY TCP4 1.1.1.256 2.2.2.2 1 2", "address"},
                      Wrong{"PROXY TCP4 1.1.1.1 ::2 1 2", "address"},
                      Wrong{"PROXY TCP6 ::1 2.2.2.2 1 2", "address"},
                      Wrong{"PROXY TCP6 ::1 fe80::1%eth0 1 2", "address"},
                      Wrong{"PROXY TCP6 ::1 [::2] 1 2", "address"},
                      Wrong{"PROXY TCP6 1::2::3 ::2 1 2", "address"},
                      Wrong{std::string("PROXY TCP4 1.1.1.1\0x 2.2.2.2 1 2", 33), "address"},
                      Wrong{"PROXY TCP4 1.1.1.1 2.2.2.2 65536 2", "port"},
                      Wrong{"PROXY TCP4 1.1.1.1 2.2.2.2 1 065", "port"},
                      Wrong{"PROXY TCP4 1.1.1.1 2.2.2.2 00 2", "port"},
                      Wrong{"PROXY TCP4 1.1.1.1 2.2.2.2 +1 2", "port"},
                      Wrong{"PROXY TCP4 1.1.1.1 2.2.2.2 -1 2", "port"},
                      Wrong{"PROXY TCP4 1.1.1.1 2.2.2.2 1 0x2", "port"},
                      Wrong{"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r", "port"},
                      Wrong{"PROXY TCP4 1.1.1.1 2.2.2.2 1 4294967297", "port"},
                      Wrong{"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\nGET", "line_end"},
                      Wrong{"PROXY TCP4 1.1.1.1 2.2.2.2 1\r2 3", "port"},
                      Wrong{"PROXY UNKNOWN\nGET", "line_end"}));

TEST(ProxyLine, EndedByALineFeedAloneIsNotWaitedFor) {
  EXPECT_EQ(ReasonFor("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n"), "line_end");
}

}  // namespace
}  // namespace tlsbridge::proxy_protocol::testing
