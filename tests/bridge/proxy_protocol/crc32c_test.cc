// The examples of RFC 3720 appendix B.4. There the checksum is shown as it is sent, lowest byte
// first.

#include "bridge/proxy_protocol/crc32c.h"

#include <string>

#include "gtest/gtest.h"

namespace tlsbridge::proxy_protocol {
namespace {

TEST(Crc32c, OfNothingIsZero) { EXPECT_EQ(Crc32c(""), 0u); }

TEST(Crc32c, OfZeros) { EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8a9136aau); }

TEST(Crc32c, OfOnes) { EXPECT_EQ(Crc32c(std::string(32, '\xff')), 0x62a8ab43u); }

TEST(Crc32c, OfBytesThatGoUp) {
  std::string bytes;
  for (char byte = 0; byte < 32; ++byte) bytes.push_back(byte);
  EXPECT_EQ(Crc32c(bytes), 0x46dd794eu);
}

TEST(Crc32c, OfBytesThatGoDown) {
  std::string bytes;
  for (char byte = 31; byte >= 0; --byte) bytes.push_back(byte);
  EXPECT_EQ(Crc32c(bytes), 0x113fdb5cu);
}

TEST(Crc32c, OfAnIscsiReadCommand) {
  const std::string command(
      "\x01\xc0\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
      "\x14\x00\x00\x00\x00\x00\x04\x00\x00\x00\x00\x14\x00\x00\x00\x18"
      "\x28\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00",
      48);
  EXPECT_EQ(Crc32c(command), 0xd9963a56u);
}

}  // namespace
}  // namespace tlsbridge::proxy_protocol
