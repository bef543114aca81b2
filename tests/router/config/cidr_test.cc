#include "router/config/cidr.h"

#include <netinet/in.h>

#include <algorithm>
#include <string>
#include <utility>

#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

Cidr Block(const std::string& text) {
  const absl::StatusOr<Cidr> cidr = Cidr::Parse(text);
  EXPECT_TRUE(cidr.ok()) << cidr.status();
  return cidr.value_or(Cidr());
}

bool Contains(const std::string& block, const std::string& address) {
  return Block(block).Contains(Block(address).prefix());
}

SocketAddress Address(const std::string& text) {
  const absl::StatusOr<SocketAddress> address = SocketAddress::Parse(text);
  EXPECT_TRUE(address.ok()) << address.status();
  return address.value_or(SocketAddress());
}

// ---- Text.

TEST(Cidr, RefusesWhatIsNoBlock) {
  const std::string malformed[] = {
      "",
      " ",
      "/",
      "/8",
      "10",
      "10/8",
      "10.0.0/8",
      "10.0.0.0/",
      "10.0.0.0/ 8",
      "10.0.0.0/8 ",
      " 10.0.0.0/8",
      "10.0.0.0 /8",
      "10.0.0.0/+8",
      "10.0.0.0/-1",
      "10.0.0.0/8/8",
      "10.0.0.0//8",
      "10.0.0.0/33",
      "10.0.0.0/128",
      "10.0.0.0/4294967304",
      "10.0.0.0/0x8",
      "10.0.0.0/a",
      "10.0.0.0/8.0",
      "10.0.0.0/08",
      "10.0.0.0/00",
      "10.0.0.0/255.0.0.0",
      "10.0.0.0-10.0.0.9",
      "10.0.0.0:443",
      "10.0.0.0.0",
      "10.0.0.",
      "10.0.0.256",
      "010.0.0.0",
      "0x0a.0.0.0",
      "10.0.0.0/8\n",
      "localhost",
      "example.com/8",
      "*",
      "unix:/run/a.sock",
      ":",
      ":::",
      "2001:db8",
      "2001:db8::/129",
      "2001:db8::/032",
      "2001:db8::1::/64",
      "[2001:db8::]/32",
      "[2001:db8::1]",
      "2001:db8::g",
      "2001:db8::12345",
      "fe80::1%eth0",
      "fe80::1%1/64",
      "::ffff:1.2.3/96",
      "1:2:3:4:5:6:7:8:9",
      std::string("10.0.0.1\0", 9),
      std::string("10.0.0.1\0.example", 17),
      std::string("10.0.0.0\0/8", 11),
      std::string("10.0.0.0/8\0", 11),
  };
  for (const std::string& text : malformed) {
    const absl::Status status = Cidr::Parse(text).status();
    ASSERT_FALSE(status.ok()) << "'" << text << "'";
    EXPECT_NE(std::string(status.message()).find("'" + text + "'"), std::string::npos);
    EXPECT_NE(std::string(status.message()).find("use 10.0.0.0/8"), std::string::npos);
  }
}

TEST(Cidr, RefusesBitsBehindThePrefix) {
  for (const char* text : {"10.0.0.1/8", "10.0.0.1/31", "128.0.0.0/0", "2001:db8::1/32", "::1/127",
                           "8000::/0", "::ffff:0:0/95", "::ffff:10.0.0.0/90"}) {
    const absl::Status status = Cidr::Parse(text).status();
    ASSERT_FALSE(status.ok()) << text;
    EXPECT_NE(std::string(status.message()).find("beyond its prefix"), std::string::npos) << status;
  }
}

TEST(Cidr, OneAddressIsABlockOfOne) {
  EXPECT_EQ(Block("10.0.0.1"), Block("10.0.0.1/32"));
  EXPECT_EQ(Block("2001:db8::1"), Block("2001:db8::1/128"));
  EXPECT_FALSE(Block("10.0.0.0") == Block("10.0.0.0/31"));
}

TEST(Cidr, ToStringGivesWhatParseTakes) {
  const std::pair<const char*, const char*> cases[] = {
      {"10.0.0.0/8", "10.0.0.0/8"},
      {"10.0.0.1", "10.0.0.1/32"},
      {"0.0.0.0/0", "0.0.0.0/0"},
      {"::/0", "::/0"},
      {"::", "::/128"},
      {"2001:DB8:0:0::/32", "2001:db8::/32"},
      {"2001:db8::1", "2001:db8::1/128"},
      {"::ffff:10.0.0.0/104", "10.0.0.0/8"},
      {"::ffff:0:0/96", "0.0.0.0/0"},
      {"255.255.255.255", "255.255.255.255/32"},
      {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
       "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"},
  };
  for (const auto& [text, expected] : cases) {
    EXPECT_EQ(Block(text).ToString(), expected);
    EXPECT_EQ(Block(expected), Block(text));
  }
}

TEST(Cidr, EveryLengthComesBackFromItsText) {
  for (int length = 0; length <= 32; ++length) {
    const std::string text = "0.0.0.0/" + std::to_string(length);
    EXPECT_EQ(Block(text).ToString(), text);
    EXPECT_EQ(Block(text).length(), 96 + length);
  }
  for (int length = 0; length <= 128; ++length) {
    const std::string text = "::/" + std::to_string(length);
    EXPECT_EQ(Block(text).ToString(), text);
    EXPECT_EQ(Block(text).length(), length);
  }
}

// ---- Membership.

TEST(Cidr, ContainsItsFirstAndLastAddressAndNotTheirNeighbours) {
  EXPECT_TRUE(Contains("10.0.0.0/8", "10.0.0.0"));
  EXPECT_TRUE(Contains("10.0.0.0/8", "10.255.255.255"));
  EXPECT_FALSE(Contains("10.0.0.0/8", "9.255.255.255"));
  EXPECT_FALSE(Contains("10.0.0.0/8", "11.0.0.0"));
  EXPECT_TRUE(Contains("192.0.2.64/27", "192.0.2.95"));
  EXPECT_FALSE(Contains("192.0.2.64/27", "192.0.2.96"));
  EXPECT_FALSE(Contains("192.0.2.64/27", "192.0.2.63"));
  EXPECT_TRUE(Contains("192.0.2.2/31", "192.0.2.3"));
  EXPECT_FALSE(Contains("192.0.2.2/31", "192.0.2.4"));
  EXPECT_TRUE(Contains("2001:db8::/33", "2001:db8:7fff:ffff:ffff:ffff:ffff:ffff"));
  EXPECT_FALSE(Contains("2001:db8::/33", "2001:db8:8000::"));
  EXPECT_TRUE(Contains("2001:db8::1", "2001:db8::1"));
  EXPECT_FALSE(Contains("2001:db8::1", "2001:db8::2"));
}

TEST(Cidr, SlashZeroContainsAllOfItsFamily) {
  for (const char* address : {"0.0.0.0", "10.0.0.1", "255.255.255.255"}) {
    EXPECT_TRUE(Contains("0.0.0.0/0", address)) << address;
    EXPECT_TRUE(Contains("::/0", address)) << address << ": IPv4 is in ::/0, mapped";
  }
  for (const char* address : {"::", "2001:db8::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}) {
    EXPECT_TRUE(Contains("::/0", address)) << address;
    EXPECT_FALSE(Contains("0.0.0.0/0", address)) << address;
  }
}

TEST(Cidr, MappedAddressesAreTheIpv4AddressesTheyMapOnBothSides) {
  EXPECT_EQ(Block("::ffff:10.0.0.0/104"), Block("10.0.0.0/8"));
  EXPECT_TRUE(Block("10.0.0.0/8").Contains(Address("[::ffff:10.1.2.3]:1")));
  EXPECT_TRUE(Block("::ffff:10.0.0.0/104").Contains(Address("10.1.2.3:1")));
  EXPECT_FALSE(Block("10.0.0.0/8").Contains(Address("[::10.1.2.3]:1")))
      << "the deprecated compatible form (RFC 4291 section 2.5.5.1) is another address";
}

TEST(Cidr, ContainsNothingThatIsNoIpAddress) {
  EXPECT_FALSE(Block("::/0").Contains(Address("unix:/run/a.sock")));
  EXPECT_FALSE(Block("::/0").Contains(SocketAddress()));
}

TEST(Cidr, AgreesWithTheBitsOfEveryLength) {
  const IpBytes address = Block("2001:db8:1234:5678:9abc:def0:5555:aaaa").prefix();
  for (int bit = 0; bit < 128; ++bit) {
    IpBytes other = address;
    other[static_cast<size_t>(bit / 8)] ^= static_cast<uint8_t>(0x80 >> (bit % 8));
    for (int length = 0; length <= 128; ++length) {
      IpBytes prefix = address;
      for (int i = length; i < 128; ++i) {
        prefix[static_cast<size_t>(i / 8)] &= static_cast<uint8_t>(~(0x80 >> (i % 8)));
      }
      const SocketAddress text = [&prefix] {
        sockaddr_in6 raw = {};
        raw.sin6_family = AF_INET6;
        std::copy(prefix.begin(), prefix.end(), raw.sin6_addr.s6_addr);
        return SocketAddress::From(reinterpret_cast<const sockaddr*>(&raw), sizeof(raw));
      }();
      const std::string host = text.ToString();
      const Cidr block = Block(host.substr(1, host.find(']') - 1) + "/" + std::to_string(length));
      ASSERT_TRUE(block.Contains(address)) << length;
      ASSERT_EQ(block.Contains(other), bit >= length) << bit << " of " << length;
    }
  }
}

// ---- Bytes of an address.

TEST(IpBytes, AreOfIpAddressesOnly) {
  IpBytes v4;
  IpBytes mapped;
  IpBytes none;
  ASSERT_TRUE(ToIpBytes(Address("10.1.2.3:443"), &v4));
  ASSERT_TRUE(ToIpBytes(Address("[::ffff:10.1.2.3]:80"), &mapped));
  EXPECT_EQ(v4, mapped);
  EXPECT_EQ(v4, (IpBytes{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 2, 3}));
  EXPECT_FALSE(ToIpBytes(Address("unix:/run/a.sock"), &none));
  EXPECT_FALSE(ToIpBytes(SocketAddress(), &none));
}

}  // namespace
}  // namespace tlsbridge
