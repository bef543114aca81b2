// Addresses as text, and clients as keys to count by.

#include "bridge/socket_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

using ::testing::HasSubstr;

SocketAddress At(const std::string& text) {
  auto address = SocketAddress::Parse(text);
  EXPECT_TRUE(address.ok()) << address.status();
  return address.ok() ? *address : SocketAddress();
}

struct Mistake {
  std::string text;
  std::string why;
};

class SocketAddressRefuses : public ::testing::TestWithParam<Mistake> {};

TEST_P(SocketAddressRefuses, AndSaysWhyAndWhatIsAllowed) {
  const auto parsed = SocketAddress::Parse(GetParam().text);
  ASSERT_FALSE(parsed.ok()) << parsed->ToString();
  const std::string message(parsed.status().message());
  EXPECT_THAT(message, HasSubstr("invalid address '" + GetParam().text + "': "));
  EXPECT_THAT(message, HasSubstr(GetParam().why));
  EXPECT_THAT(message, HasSubstr("[IPV6]:PORT"));
}

INSTANTIATE_TEST_SUITE_P(
    SocketAddress, SocketAddressRefuses,
    ::testing::Values(Mistake{"", "missing port"}, Mistake{"8443", "missing port"},
                      Mistake{"127.0.0.1", "missing port"},
                      Mistake{"127.0.0.1:", "invalid port (0 to 65535)"},
                      Mistake{"127.0.0.1:65536", "invalid port (0 to 65535)"},
                      Mistake{"127.0.0.1:99999999999", "invalid port (0 to 65535)"},
                      Mistake{"127.0.0.1:-1", "invalid port (0 to 65535)"},
                      Mistake{"127.0.0.1:+1", "invalid port (0 to 65535)"},
                      Mistake{"127.0.0.1: 80", "invalid port (0 to 65535)"},
                      Mistake{"127.0.0.1:80 ", "invalid port (0 to 65535)"},
                      Mistake{"127.0.0.1:0x50", "invalid port (0 to 65535)"},
                      Mistake{"127.0.0.1:http", "invalid port (0 to 65535)"},
                      Mistake{":8443", "[::] every IPv6 address"},
                      Mistake{"localhost.localdomain:80", "the host is not an IPv4 address"},
                      Mistake{"127.0.0.256:80", "the host is not an IPv4 address"},
                      Mistake{"127.1:80", "the host is not an IPv4 address"},
                      Mistake{"::1:80", "the host is not an IPv4 address"},
                      Mistake{"[]:80", "the host is not an IPv4 address"},
                      Mistake{"[::1:80", "the host is not an IPv4 address"},
                      Mistake{"[127.0.0.1]:80", "not an IPv6 address between the brackets"},
                      Mistake{"[::g]:80", "not an IPv6 address between the brackets"},
                      Mistake{"unix:", "must be absolute"},
                      Mistake{"unix:app.sock", "must be absolute"},
                      Mistake{"unix:/" + std::string(107, 'a'), "limit 107 bytes"},
                      Mistake{"unix:@", "missing name after the @"},
                      Mistake{"unix:@" + std::string(107, 'a'), "limit 107 bytes"}));

class SocketAddressRoundTrip : public ::testing::TestWithParam<std::string> {};

TEST_P(SocketAddressRoundTrip, OfWhatParseTakes) {
  EXPECT_EQ(At(GetParam()).ToString(), GetParam());
}

INSTANTIATE_TEST_SUITE_P(SocketAddress, SocketAddressRoundTrip,
                         ::testing::Values("127.0.0.1:8443", "0.0.0.0:0", "255.255.255.255:65535",
                                           "[::]:0", "[::1]:8443", "[2001:db8::1]:443",
                                           "[::ffff:192.0.2.1]:80", "unix:/run/app.sock",
                                           "unix:/with space:and:colons",
                                           "unix:/" + std::string(106, 'a'), "unix:@app",
                                           "unix:@/not/a/path", "unix:@@",
                                           "unix:@" + std::string(106, 'a')));

TEST(SocketAddress, WithANulByteIsRefusedAndNotCutThere) {
  for (const std::string& text :
       {std::string("127.0.0.1\0.example:80", 22), std::string("[::1\0]:80", 9),
        std::string("unix:/run/a\0b", 13)}) {
    EXPECT_THAT(std::string(SocketAddress::Parse(text).status().message()), HasSubstr("NUL byte"));
  }
}

TEST(SocketAddress, AreEqualWithTheSameFamilyHostAndPort) {
  EXPECT_EQ(At("127.0.0.1:80"), At("127.0.0.1:80"));
  EXPECT_FALSE(At("127.0.0.1:80") == At("127.0.0.1:81"));
  EXPECT_FALSE(At("127.0.0.1:80") == At("[::ffff:127.0.0.1]:80"));
  EXPECT_FALSE(At("unix:/run/a") == At("unix:/run/b"));
  EXPECT_FALSE(At("unix:/run/a") == SocketAddress());
}

TEST(SocketAddress, ALinkLocalAddressHasTheZoneOfAnInterface) {
  const auto named = SocketAddress::Parse("[fe80::1%lo]:80");
  ASSERT_TRUE(named.ok()) << named.status();
  EXPECT_EQ(named->ToString(), "[fe80::1%lo]:80");
  EXPECT_TRUE(named->has_zone());
  const std::string number = std::to_string(if_nametoindex("lo"));
  EXPECT_EQ(*SocketAddress::Parse("[fe80::1%" + number + "]:80"), *named);
  for (const std::string zone : {"%", "%no-such-link", "%4294967295", "%-1", "%lo ", "%lo%lo"}) {
    EXPECT_THAT(std::string(SocketAddress::Parse("[fe80::1" + zone + "]:80").status().message()),
                HasSubstr("not an interface of this machine"))
        << zone;
  }
  EXPECT_THAT(std::string(SocketAddress::Parse("[fe80::1]:80").status().message()),
              HasSubstr("needs its zone"));
  EXPECT_THAT(std::string(SocketAddress::Parse("[::1%lo]:80").status().message()),
              HasSubstr("only link-local addresses"));
}

TEST(SocketAddress, AZoneThatHasGoneIsShownByItsNumber) {
  sockaddr_in6 address = {};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(80);
  ASSERT_EQ(inet_pton(AF_INET6, "fe80::1", &address.sin6_addr), 1);
  address.sin6_scope_id = 123456;
  EXPECT_EQ(
      SocketAddress::From(reinterpret_cast<const sockaddr*>(&address), sizeof(address)).ToString(),
      "[fe80::1%123456]:80");
}

TEST(SocketAddress, LocalhostIsLoopback) {
  EXPECT_EQ(At("localhost:80").ToString(), "127.0.0.1:80");
  EXPECT_EQ(At("localhost:80").port(), 80);
}

TEST(SocketAddress, KnowsWhatIsEveryAddressOfTheMachine) {
  EXPECT_TRUE(At("0.0.0.0:0").is_wildcard());
  EXPECT_TRUE(At("0.0.0.0:443").is_wildcard());
  EXPECT_TRUE(At("[::]:443").is_wildcard());
  EXPECT_FALSE(At("127.0.0.1:443").is_wildcard());
  EXPECT_FALSE(At("[::1]:443").is_wildcard());
  EXPECT_FALSE(At("unix:/run/app.sock").is_wildcard());
  EXPECT_FALSE(SocketAddress().is_wildcard());
}

TEST(SocketAddress, KnowsWhatIsLoopback) {
  EXPECT_TRUE(At("127.255.255.255:1").is_loopback());
  EXPECT_TRUE(At("[::1]:1").is_loopback());
  EXPECT_TRUE(At("[::ffff:127.0.0.1]:1").is_loopback());
  EXPECT_TRUE(At("unix:/run/app.sock").is_loopback());
  EXPECT_TRUE(At("unix:@app").is_loopback());
  EXPECT_FALSE(At("128.0.0.1:1").is_loopback());
  EXPECT_FALSE(At("0.0.0.0:1").is_loopback());
  EXPECT_FALSE(At("[::]:1").is_loopback());
  EXPECT_FALSE(At("[::2]:1").is_loopback());
  EXPECT_FALSE(SocketAddress().is_loopback());
}

TEST(SocketAddress, NoAddressIsADash) {
  EXPECT_EQ(SocketAddress().ToString(), "-");
  EXPECT_EQ(SocketAddress().family(), AF_UNSPEC);
  EXPECT_EQ(SocketAddress::LocalOf(-1).ToString(), "-");
}

TEST(SocketAddress, AnUnnamedUnixPeerHasNoPath) {
  sockaddr_un unnamed = {};
  unnamed.sun_family = AF_UNIX;
  const auto peer = SocketAddress::From(reinterpret_cast<sockaddr*>(&unnamed), sizeof(sa_family_t));
  EXPECT_TRUE(peer.is_unix());
  EXPECT_EQ(peer.ToString(), "unix:");
}

TEST(SocketAddress, AnAbstractNameHasNoPathToRemove) {
  EXPECT_EQ(At("unix:@app").abstract_name(), "app");
  EXPECT_EQ(At("unix:@app").unix_path(), "");
  EXPECT_EQ(At("unix:/app").abstract_name(), "");
}

TEST(SocketAddress, AnAbstractNameCanBeListenedOnAndDialled) {
  const SocketAddress address = At("unix:@tlsbridge-test-" + std::to_string(getpid()));
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(bind(listener, address.get(), address.length()), 0) << strerror(errno);
  ASSERT_EQ(listen(listener, 1), 0);
  EXPECT_EQ(SocketAddress::LocalOf(listener).ToString(), address.ToString());
  const int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_EQ(connect(client, address.get(), address.length()), 0) << strerror(errno);
  EXPECT_EQ(SocketAddress::PeerOf(client).ToString(), address.ToString());
  close(client);
  close(listener);
}

TEST(SocketAddressClientKey, IsTheSameForEveryPort) {
  EXPECT_EQ(At("192.0.2.1:1").ClientKey(), At("192.0.2.1:2").ClientKey());
  EXPECT_NE(At("192.0.2.1:1").ClientKey(), At("192.0.2.2:1").ClientKey());
}

TEST(SocketAddressClientKey, OfAMappedAddressIsThatOfTheIpv4Address) {
  EXPECT_EQ(At("[::ffff:192.0.2.1]:1").ClientKey(), At("192.0.2.1:1").ClientKey());
}

TEST(SocketAddressClientKey, OfIpv6IsItsSlash64) {
  EXPECT_EQ(At("[2001:db8:0:1::1]:1").ClientKey(),
            At("[2001:db8:0:1:ffff:ffff:ffff:ffff]:1").ClientKey());
  EXPECT_NE(At("[2001:db8:0:1::1]:1").ClientKey(), At("[2001:db8:0:2::1]:1").ClientKey());
}

TEST(SocketAddressClientKey, OfALinkLocalAddressIsItsOwn) {
  EXPECT_NE(SocketAddress::Parse("[fe80::1%lo]:80")->ClientKey(),
            SocketAddress::Parse("[fe80::2%lo]:80")->ClientKey());
  EXPECT_EQ(SocketAddress::Parse("[fe80::1%lo]:80")->ClientKey(),
            SocketAddress::Parse("[fe80::1%lo]:81")->ClientKey());
}

TEST(SocketAddressClientKey, OfAUnixPeerIsThatOfNoAddress) {
  const std::string everybody = At("unix:/a").ClientKey();
  EXPECT_EQ(everybody, At("unix:/b").ClientKey());
  EXPECT_NE(everybody, At("117.110.105.120:1").ClientKey()) << "whose four bytes spell unix";
}

}  // namespace
}  // namespace tlsbridge
