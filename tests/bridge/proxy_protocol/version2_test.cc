// The binary header of version 2 (proxy-protocol.txt section 2.2).

#include <string>

#include "bridge/proxy_protocol/encoder.h"
#include "gtest/gtest.h"
#include "tests/bridge/proxy_protocol/proxy_bytes.h"

namespace tlsbridge::proxy_protocol::testing {
namespace {

constexpr uint8_t kProxy = 0x21;
constexpr uint8_t kLocal = 0x20;

std::string Inet(const std::string& tlvs) { return MakeBinary(kProxy, 0x11, kInetBlock + tlvs); }

std::string Ssl(const std::string& parts) {
  return MakeTlv(kSsl, std::string("\x07\x00\x00\x00\x00", 5) + parts);
}

std::string UnixPath(const std::string& path) {
  return path + std::string(108 - path.size(), '\0');
}

TEST(ProxyBinary, OfTcpOverIpv4) {
  const Header header = DecodeEveryWay(Inet(""));
  EXPECT_EQ(header.source.ToString(), "192.0.2.1:4660");
  EXPECT_EQ(header.destination.ToString(), "198.51.100.2:443");
}

TEST(ProxyBinary, OfTcpOverIpv6) {
  std::string block = "\x20\x01\x0d\xb8" + std::string(11, '\0') + '\x01';
  block += "\xfe\x80" + std::string(13, '\0') + '\x02';
  block += std::string("\xff\xff\x00\x50", 4);
  const Header header = DecodeEveryWay(MakeBinary(kProxy, 0x21, block));
  EXPECT_EQ(header.source.ToString(), "[2001:db8::1]:65535");
  EXPECT_EQ(header.destination.ToString(), "[fe80::2]:80");
}

TEST(ProxyBinary, OfUnixSockets) {
  const std::string longest = "/" + std::string(107, 'a');
  const Header header =
      DecodeEveryWay(MakeBinary(kProxy, 0x31, UnixPath("/run/a.sock") + UnixPath(longest)));
  EXPECT_EQ(header.source, At("unix:/run/a.sock"));
  EXPECT_EQ(header.destination.unix_path(), longest);
}

TEST(ProxyBinary, OfUnixSocketsWithoutAPath) {
  const std::string abstract("\0name", 5);
  const Header header = DecodeEveryWay(MakeBinary(kProxy, 0x31, UnixPath("") + UnixPath(abstract)));
  EXPECT_TRUE(header.source.is_unix());
  EXPECT_EQ(header.source.length(), offsetof(sockaddr_un, sun_path));
  EXPECT_EQ(header.destination.length(), offsetof(sockaddr_un, sun_path) + abstract.size());
}

TEST(ProxyBinary, LocalDiscardsItsWholeBlock) {
  Header expected;
  expected.local = true;
  EXPECT_EQ(DecodeEveryWay(MakeBinary(kLocal, 0x00, "")), expected);
  EXPECT_EQ(DecodeEveryWay(MakeBinary(kLocal, 0x11, kInetBlock)), expected);
  EXPECT_EQ(DecodeEveryWay(MakeBinary(kLocal, 0xff, "anything")), expected);
}

TEST(ProxyBinary, UnspecifiedKeepsTheConnectionsOwnAddresses) {
  Header expected;
  expected.alpn = "h2";
  const std::string tlv = MakeTlv(kAlpn, "h2");
  EXPECT_EQ(DecodeEveryWay(MakeBinary(kProxy, 0x00, tlv)), expected);
  EXPECT_EQ(DecodeEveryWay(MakeBinary(kProxy, 0x01, tlv)), expected);
  EXPECT_EQ(DecodeEveryWay(MakeBinary(kProxy, 0x10, kInetBlock + tlv)), expected);
  EXPECT_EQ(DecodeEveryWay(MakeBinary(kProxy, 0x30, std::string(216, 'x') + tlv)), expected);
}

TEST(ProxyBinary, SaysWhatItsTlvsSay) {
  const Header header = DecodeEveryWay(
      Inet(MakeTlv(kNoop, "") + MakeTlv(kAlpn, "http/1.1") + MakeTlv(kNoop, "padding") +
           MakeTlv(kAuthority, "orders.internal") + MakeTlv(kUniqueId, std::string(128, 'u')) +
           Ssl(MakeTlv(kSslVersion, "TLSv1.3") + MakeTlv(kSslCommonName, "api") +
               MakeTlv(0x2f, "newer") + MakeTlv(kSslCipher, "TLS_AES_128_GCM_SHA256") +
               MakeTlv(kSslSignatureAlgorithm, "SHA256") + MakeTlv(kSslKeyAlgorithm, "EC256")) +
           MakeTlv(kNetworkNamespace, "blue") + MakeTlv(kClientUri, "spiffe://prod/api") +
           MakeTlv(0xea, "") + MakeTlv(0xea, "twice")));
  EXPECT_EQ(header.alpn, "http/1.1");
  EXPECT_EQ(header.authority, "orders.internal");
  EXPECT_EQ(header.unique_id, std::string(128, 'u'));
  const SslInfo ssl = {7, 0, "TLSv1.3", "api", "TLS_AES_128_GCM_SHA256", "SHA256", "EC256"};
  EXPECT_EQ(header.ssl, ssl);
  EXPECT_EQ(header.others, (std::vector<Tlv>{{kNetworkNamespace, "blue"},
                                             {kClientUri, "spiffe://prod/api"},
                                             {0xea, ""},
                                             {0xea, "twice"}}));
}

TEST(ProxyBinary, MayBeAsLongAsTheLimitAndNotLonger) {
  const size_t room = kMaxHeaderBytes - Inet("").size() - 3;
  EXPECT_EQ(DecodeAtOnce(Inet(MakeTlv(kNoop, std::string(room, 'x')))).progress,
            Decoder::Progress::kWhole);
  // Before the block has come.
  EXPECT_EQ(ReasonFor(Inet(MakeTlv(kNoop, std::string(room + 1, 'x'))).substr(0, 16)),
            "header_too_long");
  EXPECT_EQ(ReasonFor(MakeBinary(kLocal, 0, std::string(65535, 'x')).substr(0, 16)),
            "header_too_long");
}

TEST(ProxyBinary, IsRefusedAtItsFirstWrongByte) {
  for (size_t at = 0; at < kSignature.size(); ++at) {
    std::string wrong = kSignature.substr(0, at + 1);
    wrong[at] ^= 1;
    EXPECT_EQ(ReasonFor(wrong), "no_signature") << at;
  }
  for (int byte = 0; byte < 256; ++byte) {
    const std::string start = kSignature + static_cast<char>(byte);
    if (byte == kLocal || byte == kProxy) {
      EXPECT_EQ(DecodeAtOnce(start).progress, Decoder::Progress::kNeedMore);
    } else {
      EXPECT_EQ(ReasonFor(start), byte >> 4 == 2 ? "command" : "version") << byte;
    }
  }
}

TEST(ProxyBinary, OfAnyOtherFamilyOrTransportIsRefusedAtThatByte) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string start = kSignature + '\x21' + static_cast<char>(byte);
    if (byte >> 4 > 3) {
      EXPECT_EQ(ReasonFor(start), "family") << byte;
    } else if ((byte & 15) > 1) {
      EXPECT_EQ(ReasonFor(start), "transport") << byte;
    } else {
      EXPECT_EQ(DecodeAtOnce(start).progress, Decoder::Progress::kNeedMore) << byte;
    }
  }
}

TEST(ProxyBinary, ShorterThanItsAddressesIsRefused) {
  EXPECT_EQ(ReasonFor(MakeBinary(kProxy, 0x11, std::string(11, 'x'))), "addresses_cut");
  EXPECT_EQ(ReasonFor(MakeBinary(kProxy, 0x21, std::string(35, 'x'))), "addresses_cut");
  EXPECT_EQ(ReasonFor(MakeBinary(kProxy, 0x31, std::string(215, 'x'))), "addresses_cut");
  EXPECT_EQ(ReasonFor(MakeBinary(kProxy, 0x10, "").substr(0, 16)), "addresses_cut");
}

TEST(ProxyBinary, WithTlvsThatDoNotAddUpIsRefused) {
  EXPECT_EQ(ReasonFor(Inet("\x04")), "tlv_cut");
  EXPECT_EQ(ReasonFor(Inet(std::string("\x04\x00", 2))), "tlv_cut");
  EXPECT_EQ(ReasonFor(Inet(std::string("\x04\x00\x01", 3))), "tlv_cut");
  EXPECT_EQ(ReasonFor(Inet(MakeTlv(kAlpn, "h2") + "x")), "tlv_cut");
  EXPECT_EQ(ReasonFor(Inet(MakeTlv(kSsl, "1234"))), "ssl_cut");
  EXPECT_EQ(ReasonFor(Inet(Ssl("x"))), "ssl_cut");
  EXPECT_EQ(ReasonFor(Inet(Ssl(std::string("\x21\x00\x09TLSv1.3", 10)))), "ssl_cut");
}

TEST(ProxyBinary, ThatSaysAThingTwiceIsRefused) {
  for (const std::string& tlv :
       {MakeTlv(kAlpn, "h2"), MakeTlv(kAuthority, ""), MakeTlv(kUniqueId, "1"), Ssl("")}) {
    EXPECT_EQ(ReasonFor(Inet(tlv + MakeTlv(kNoop, "") + tlv)), "tlv_twice");
  }
  const std::string name = MakeTlv(kSslCommonName, "api");
  EXPECT_EQ(ReasonFor(Inet(Ssl(name + name))), "tlv_twice");
}

TEST(ProxyBinary, WithTooLongAUniqueIdIsRefused) {
  EXPECT_EQ(ReasonFor(Inet(MakeTlv(kUniqueId, std::string(129, 'u')))), "unique_id_too_long");
}

TEST(ProxyBinary, WithAnyBitChangedFailsItsChecksum) {
  Header header;
  header.source = At("192.0.2.1:1");
  header.destination = At("192.0.2.2:2");
  header.authority = "orders.internal";
  header.ssl = SslInfo{1, 1, "TLSv1.3", "", "", "", ""};
  const std::string good = EncodeBinary(header).bytes;
  ASSERT_EQ(DecodeEveryWay(good), header);
  for (size_t at = 0; at < good.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string wrong = good;
      wrong[at] ^= static_cast<char>(1 << bit);
      Header decoded;
      const Decoder::Result result = DecodeAtOnce(wrong, &decoded);
      if (wrong[12] == kLocal) {  // of LOCAL nothing is read, not even the checksum
        EXPECT_TRUE(decoded.local);
        continue;
      }
      // A type that becomes another one takes the checksum away: nothing is left to compare.
      if (at == 28) continue;
      EXPECT_NE(result.progress, Decoder::Progress::kWhole) << at << " " << bit;
    }
  }
}

TEST(ProxyBinary, WithAChecksumThatIsNoneIsRefused) {
  EXPECT_EQ(ReasonFor(Inet(MakeTlv(kCrc32c, "123"))), "tlv_length");
  EXPECT_EQ(ReasonFor(Inet(MakeTlv(kCrc32c, "12345"))), "tlv_length");
  EXPECT_EQ(ReasonFor(Inet(MakeTlv(kCrc32c, "1234"))), "checksum");
}

// With more bytes behind it than any length can claim: either it is refused, or it wants more.
TEST(ProxyBinary, WithAnyLengthByteChangedIsNeverTaken) {
  Header header;
  header.source = At("192.0.2.1:1");
  header.destination = At("192.0.2.2:2");
  header.ssl = SslInfo{1, 1, "TLSv1.3", "api", "", "", ""};
  header.authority = "orders.internal";
  const std::string good = EncodeBinary(header).bytes;
  const std::string more(70000, 'x');
  // The header's own, the checksum's, that of SSL, of its version and its name, the authority's.
  for (const size_t length_at : {14, 29, 36, 44, 54, 60}) {
    for (const size_t at : {length_at, length_at + 1}) {
      for (int change = 1; change < 256; ++change) {
        std::string wrong = good;
        wrong[at] ^= static_cast<char>(change);
        // A header that ends before its checksum is one without a checksum.
        if (wrong.substr(14, 2) == BigEndian16(kInetBlock.size())) continue;
        const Decoder::Result result = DecodeAtOnce(wrong + more);
        EXPECT_EQ(result.progress, Decoder::Progress::kMalformed) << at << " " << change;
      }
    }
  }
  EXPECT_EQ(good.substr(62, 15), header.authority);  // so the offsets above are what they say
  EXPECT_EQ(good.substr(56, 3), "api");
}

}  // namespace
}  // namespace tlsbridge::proxy_protocol::testing
