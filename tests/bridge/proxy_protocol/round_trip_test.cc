// Headers made at random: what was encoded is what is decoded, and no noise is taken for a header
// that it is not.

#include <netinet/in.h>

#include <random>
#include <string>

#include "bridge/proxy_protocol/encoder.h"
#include "gtest/gtest.h"
#include "tests/bridge/proxy_protocol/proxy_bytes.h"

namespace tlsbridge::proxy_protocol::testing {
namespace {

class Maker {
 public:
  size_t Below(size_t limit) { return random_() % limit; }

  std::string Text(size_t most) {
    std::string text(Below(most + 1), '\0');
    for (char& c : text) c = static_cast<char>(random_());
    return text;
  }

  SocketAddress Address(int family) {
    if (family == AF_UNIX) {
      std::string path = "/";
      for (size_t n = Below(107); n > 0; --n) path.push_back(static_cast<char>('a' + Below(26)));
      return At("unix:" + path);
    }
    sockaddr_in6 v6 = {};
    v6.sin6_family = static_cast<sa_family_t>(family);
    v6.sin6_port = static_cast<in_port_t>(random_());
    if (family == AF_INET6) {
      for (uint8_t& byte : v6.sin6_addr.s6_addr) byte = static_cast<uint8_t>(random_());
      return SocketAddress::From(reinterpret_cast<const sockaddr*>(&v6), sizeof(v6));
    }
    sockaddr_in v4 = {};
    v4.sin_family = AF_INET;
    v4.sin_port = v6.sin6_port;
    v4.sin_addr.s_addr = static_cast<in_addr_t>(random_());
    return SocketAddress::From(reinterpret_cast<const sockaddr*>(&v4), sizeof(v4));
  }

  Header AHeader() {
    constexpr int kFamilies[] = {AF_INET, AF_INET6, AF_UNIX, AF_UNSPEC};
    Header header;
    if (const int family = kFamilies[Below(4)]; family != AF_UNSPEC) {
      header.source = Address(family);
      header.destination = Address(family);
    }
    header.alpn = Text(20);
    header.authority = Text(100);
    header.unique_id = Text(128);
    if (Below(2) == 0) {
      header.ssl = SslInfo{static_cast<uint8_t>(random_()),
                           static_cast<uint32_t>(random_()),
                           Text(10),
                           Text(64),
                           Text(40),
                           Text(20),
                           Text(20)};
    }
    for (size_t n = Below(6); n > 0; --n) {
      header.others.push_back({static_cast<uint8_t>(0xe0 + Below(16)), Text(200)});
    }
    return header;
  }

 private:
  std::mt19937_64 random_{20141118};  // NOLINT(cert-msc51-cpp): the same in every run
};

TEST(ProxyRoundTrip, OfBinaryHeaders) {
  Maker maker;
  for (int i = 0; i < 20000; ++i) {
    const Header header = maker.AHeader();
    const Encoded encoded = EncodeBinary(header);
    ASSERT_EQ(encoded.values_left_out, 0u) << i;
    Decoder decoder;
    const size_t cut = maker.Below(encoded.bytes.size());
    ASSERT_EQ(decoder.Feed(Bytes(encoded.bytes).first(cut)).progress, Decoder::Progress::kNeedMore);
    const Decoder::Result result = decoder.Feed(Bytes(encoded.bytes + "more").subspan(cut));
    ASSERT_EQ(result.progress, Decoder::Progress::kWhole) << i << MalformedName(result.reason);
    ASSERT_EQ(result.consumed_bytes, encoded.bytes.size() - cut);
    ASSERT_EQ(decoder.header(), header) << i;
  }
}

TEST(ProxyRoundTrip, OfBinaryHeadersInEverySplit) {
  Maker maker;
  for (int i = 0; i < 30; ++i) {
    const Header header = maker.AHeader();
    EXPECT_EQ(DecodeEveryWay(EncodeBinary(header).bytes), header) << i;
  }
}

TEST(ProxyRoundTrip, OfLines) {
  Maker maker;
  for (int i = 0; i < 20000; ++i) {
    const int family = i % 2 == 0 ? AF_INET : AF_INET6;
    Header header;
    header.source = maker.Address(family);
    header.destination = maker.Address(family);
    const std::string line = EncodeLine(header.source, header.destination);
    ASSERT_LE(line.size(), kMaxLineBytes);
    Header decoded;
    ASSERT_EQ(DecodeAtOnce(line, &decoded).progress, Decoder::Progress::kWhole) << line;
    ASSERT_EQ(decoded, header) << line;
  }
}

TEST(ProxyRoundTrip, OfDamagedHeadersFailsTheChecksumAtLeast) {
  Maker maker;
  for (int i = 0; i < 20000; ++i) {
    const Header header = maker.AHeader();
    std::string bytes = EncodeBinary(header).bytes;
    const size_t tlvs_at = bytes.find(std::string("\x03\x00\x04", 3)) + 3;
    const size_t at = tlvs_at + maker.Below(bytes.size() - tlvs_at);
    bytes[at] = static_cast<char>(bytes[at] ^ static_cast<char>(1 + maker.Below(255)));
    ASSERT_EQ(DecodeAtOnce(bytes).progress, Decoder::Progress::kMalformed) << i << " " << at;
  }
}

}  // namespace
}  // namespace tlsbridge::proxy_protocol::testing
