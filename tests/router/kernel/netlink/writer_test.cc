#include "router/kernel/netlink/writer.h"

#include <linux/netlink.h>
#include <stdint.h>

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace tlsbridge::netlink {
namespace {

std::vector<uint8_t> Bytes(Writer* writer) {
  const auto bytes = writer->Finish();
  return {bytes.begin(), bytes.end()};
}

TEST(NetlinkWriterTest, AMessageIsAHeaderTheNetfilterHeaderAndItsAttributes) {
  Writer writer;
  EXPECT_EQ(writer.Begin(0x0a10, NLM_F_ACK, 1, 0x0a), 1U);
  writer.AddU32(2, 0x01020304);
  EXPECT_EQ(Bytes(&writer), (std::vector<uint8_t>{
                                28,   0,    0, 0,     // length, in the machine's order
                                0x10, 0x0a, 5, 0,     // type, NLM_F_REQUEST | NLM_F_ACK
                                1,    0,    0, 0,     // sequence
                                0,    0,    0, 0,     // port
                                1,    0,    0, 0x0a,  // family, version, resource
                                8,    0,    2, 0,     // an attribute of eight bytes
                                1,    2,    3, 4,
                            }));
}

TEST(NetlinkWriterTest, AttributesArePaddedAndTheirLengthIsWithoutThePadding) {
  Writer writer;
  writer.Begin(1, 0, 0);
  writer.AddString(1, "abcd");
  writer.AddU16(2, 0x0506);
  writer.AddU8(3, 7);
  const std::vector<uint8_t> bytes = Bytes(&writer);
  EXPECT_EQ(std::vector<uint8_t>(bytes.begin() + 20, bytes.end()),
            (std::vector<uint8_t>{9, 0, 1, 0, 'a', 'b', 'c', 'd', 0, 0, 0, 0,  //
                                  6, 0, 2, 0, 5,   6,   0,   0,                //
                                  5, 0, 3, 0, 7,   0,   0,   0}));
}

TEST(NetlinkWriterTest, ANestedAttributeHasTheLengthOfWhatIsInIt) {
  Writer writer;
  writer.Begin(1, 0, 0);
  writer.Nest(4, [&] {
    writer.Nest(5, [&] { writer.AddU64(1, 2); });
    writer.Nest(6, [] {});
  });
  const std::vector<uint8_t> bytes = Bytes(&writer);
  EXPECT_EQ(std::vector<uint8_t>(bytes.begin() + 20, bytes.end()),
            (std::vector<uint8_t>{24, 0, 4, 0x80, 16, 0, 5, 0x80,  //
                                  12, 0, 1, 0,    0,  0, 0, 0,    0, 0, 0, 2, 4, 0, 6, 0x80}));
}

TEST(NetlinkWriterTest, MessagesFollowEachOtherAndAreNumbered) {
  Writer writer;
  writer.Begin(1, 0, 0);
  writer.AddU8(1, 1);
  EXPECT_EQ(writer.Begin(2, 0, 0), 2U);
  writer.AddFlags(NLM_F_ACK);
  const std::vector<uint8_t> bytes = Bytes(&writer);
  ASSERT_EQ(bytes.size(), 28U + 20U);
  EXPECT_EQ(bytes[0], 28);
  EXPECT_EQ(bytes[6], NLM_F_REQUEST);
  EXPECT_EQ(bytes[28], 20);
  EXPECT_EQ(bytes[34], NLM_F_REQUEST | NLM_F_ACK);
  EXPECT_EQ(bytes[36], 2);
}

TEST(NetlinkWriterTest, AnAttributeThatIsTooLongIsNoticed) {
  Writer writer;
  writer.Begin(1, 0, 0);
  writer.AddBytes(1, std::vector<uint8_t>(UINT16_MAX - 4));
  EXPECT_FALSE(writer.overflowed());
  writer.Nest(2, [&] { writer.AddBytes(1, std::vector<uint8_t>(UINT16_MAX - 4)); });
  EXPECT_TRUE(writer.overflowed());
}

}  // namespace
}  // namespace tlsbridge::netlink
