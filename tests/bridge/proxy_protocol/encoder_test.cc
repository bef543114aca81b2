// What is sent to backends, byte by byte.

#include "bridge/proxy_protocol/encoder.h"

#include <string>

#include "gtest/gtest.h"
#include "tests/bridge/proxy_protocol/proxy_bytes.h"

namespace tlsbridge::proxy_protocol::testing {
namespace {

TEST(ProxyEncodeLine, WritesTheSpecificationsExample) {
  EXPECT_EQ(EncodeLine(At("192.168.0.1:56324"), At("192.168.0.11:443")),
            "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n");
}

TEST(ProxyEncodeLine, WritesIpv6WithoutBrackets) {
  EXPECT_EQ(EncodeLine(At("[2001:db8::1]:0"), At("[::]:65535")),
            "PROXY TCP6 2001:db8::1 :: 0 65535\r\n");
}

TEST(ProxyEncodeLine, CallsUnknownWhatTheLineCannotSay) {
  const SocketAddress v4 = At("192.0.2.1:1");
  const SocketAddress v6 = At("[::1]:1");
  const SocketAddress un = At("unix:/run/a.sock");
  const SocketAddress none;
  for (const auto& [source, destination] :
       {std::pair(v4, v6), {v6, v4}, {un, un}, {v4, un}, {none, none}, {none, v4}}) {
    EXPECT_EQ(EncodeLine(source, destination), "PROXY UNKNOWN\r\n")
        << source.ToString() << " " << destination.ToString();
  }
}

TEST(ProxyEncodeBinary, WritesEveryByteWhereTheSpecificationPutsIt) {
  Header header;
  header.source = At("192.0.2.1:4660");
  header.destination = At("198.51.100.2:443");
  header.alpn = "h2";
  header.authority = "a.b";
  header.unique_id = "id";
  header.ssl = SslInfo{
      kClientSsl | kClientCertConn | kClientCertSession, 0, "TLSv1.3", "cn", "ci", "sa", "ka"};
  header.others = {{kClientUri, "spiffe://x/y"}, {kMatchedRule, "any"}};
  const Encoded encoded = EncodeBinary(header);
  EXPECT_EQ(encoded.values_left_out, 0u);
  std::string bytes = encoded.bytes;
  ASSERT_EQ(bytes.substr(28, 3), std::string("\x03\x00\x04", 3));
  bytes.replace(31, 4, "CRC!");
  EXPECT_EQ(bytes, kSignature + std::string("\x21\x11\x00\x5e", 4) + kInetBlock +
                       std::string("\x03\x00\x04"
                                   "CRC!"
                                   "\xe0\x00\x0cspiffe://x/y"
                                   "\xe1\x00\x03"
                                   "any"
                                   "\x20\x00\x23"
                                   "\x07\x00\x00\x00\x00"
                                   "\x21\x00\x07TLSv1.3"
                                   "\x23\x00\x02"
                                   "ci"
                                   "\x22\x00\x02"
                                   "cn"
                                   "\x24\x00\x02"
                                   "sa"
                                   "\x25\x00\x02"
                                   "ka"
                                   "\x01\x00\x02h2"
                                   "\x02\x00\x03"
                                   "a.b"
                                   "\x05\x00\x02id",
                                   0x5e - 12));
}

TEST(ProxyEncodeBinary, WritesUnixPathsPaddedWithZeros) {
  Header header;
  header.source = At("unix:/run/a.sock");
  header.destination = At("unix:/" + std::string(106, 'b'));
  const std::string bytes = EncodeBinary(header).bytes;
  EXPECT_EQ(bytes.substr(12, 4), std::string("\x21\x31\x00\xdf", 4));
  EXPECT_EQ(bytes.substr(16, 108), "/run/a.sock" + std::string(97, '\0'));
  EXPECT_EQ(bytes.substr(124, 108), "/" + std::string(106, 'b') + '\0');
  EXPECT_EQ(DecodeEveryWay(bytes), header);
}

TEST(ProxyEncodeBinary, OfNoSingleFamilyKeepsWhatElseItSays) {
  Header header;
  header.source = At("192.0.2.1:1");
  header.destination = At("unix:/run/a.sock");
  header.alpn = "h2";
  const Header decoded = DecodeEveryWay(EncodeBinary(header).bytes);
  EXPECT_EQ(decoded.source.family(), AF_UNSPEC);
  EXPECT_EQ(decoded.destination.family(), AF_UNSPEC);
  EXPECT_EQ(decoded.alpn, "h2");
}

TEST(ProxyEncodeBinary, OfLocalIsSixteenBytes) {
  Header header;
  header.local = true;
  header.alpn = "h2";
  EXPECT_EQ(EncodeBinary(header).bytes, kSignature + std::string("\x20\x00\x00\x00", 4));
}

TEST(ProxyEncodeBinary, LeavesOutWholeWhatIsTooLong) {
  Header header;
  header.unique_id = std::string(129, 'u');
  header.authority = std::string(5000, 'a');
  header.alpn = "h2";
  header.ssl = SslInfo{1, 0, "TLSv1.3", std::string(70000, 'c'), "cipher", "", ""};
  header.others = {{kClientUri, std::string(4096, 'u')}, {kMatchedRule, "any"}};
  const Encoded encoded = EncodeBinary(header);
  EXPECT_EQ(encoded.values_left_out, 4u);
  EXPECT_LE(encoded.bytes.size(), kMaxHeaderBytes);

  Header expected;
  expected.alpn = "h2";
  expected.ssl = SslInfo{1, 0, "TLSv1.3", "", "cipher", "", ""};
  expected.others = {{kMatchedRule, "any"}};
  EXPECT_EQ(DecodeEveryWay(encoded.bytes), expected);
}

TEST(ProxyEncodeBinary, HasRoomForTheLongestSpiffeIdFirst) {
  Header header;
  header.others = {{kClientUri, std::string(2048, 'u')}};
  header.ssl = SslInfo{7, 0, "TLSv1.3", std::string(2048, 'c'), "", "", ""};
  const Encoded encoded = EncodeBinary(header);
  EXPECT_EQ(encoded.values_left_out, 1u);
  const Header decoded = DecodeEveryWay(encoded.bytes);
  EXPECT_EQ(decoded.others, header.others);
  EXPECT_EQ(decoded.ssl->common_name, "");
}

TEST(ProxyEncodeBinary, FillsItsRoomToTheLastByte) {
  Header header;
  header.others = {{0xe5, std::string(kMaxHeaderBytes - 16 - 7 - 3, 'x')}};
  EXPECT_EQ(EncodeBinary(header).bytes.size(), kMaxHeaderBytes);
  EXPECT_EQ(EncodeBinary(header).values_left_out, 0u);
  header.ssl = SslInfo();
  header.alpn = "h2";
  EXPECT_EQ(EncodeBinary(header).bytes.size(), kMaxHeaderBytes);
  EXPECT_EQ(EncodeBinary(header).values_left_out, 2u);
}

TEST(ProxyEncodeBinary, WritesNoTypeTwiceThatHasAFieldOfItsOwn) {
  Header header;
  header.alpn = "h2";
  header.others = {{kAlpn, "h3"}, {kCrc32c, "1234"}, {kNoop, ""}};
  const Encoded encoded = EncodeBinary(header);
  EXPECT_EQ(encoded.values_left_out, 3u);
  EXPECT_EQ(DecodeEveryWay(encoded.bytes).alpn, "h2");
}

}  // namespace
}  // namespace tlsbridge::proxy_protocol::testing
