#include "router/kernel/netlink/reader.h"

#include <limits.h>
#include <linux/netlink.h>
#include <string.h>

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "router/kernel/netlink/answer.h"
#include "router/kernel/netlink/writer.h"

namespace tlsbridge::netlink {
namespace {

using Bytes = absl::Span<const uint8_t>;

// What the kernel answers: an error, then perhaps what was asked, then its words.
std::vector<uint8_t> AnswerBytes(int error, uint16_t flags, size_t asked_bytes, const char* text) {
  nlmsgerr body = {};
  body.error = error;
  body.msg.nlmsg_seq = 7;
  body.msg.nlmsg_len = static_cast<uint32_t>(NLMSG_HDRLEN + asked_bytes);
  std::vector<uint8_t> words;
  if (text != nullptr) {
    Writer writer;
    writer.Begin(0, 0, 0);
    writer.AddString(NLMSGERR_ATTR_MSG, text);
    const Bytes all = writer.Finish();
    words.assign(all.begin() + 20, all.end());
  }
  const size_t echoed = (flags & NLM_F_CAPPED) == 0 ? NLMSG_ALIGN(asked_bytes) : 0;
  nlmsghdr header = {};
  header.nlmsg_len = static_cast<uint32_t>(NLMSG_HDRLEN + sizeof(body) + echoed + words.size());
  header.nlmsg_type = NLMSG_ERROR;
  header.nlmsg_flags = flags;
  std::vector<uint8_t> bytes(header.nlmsg_len, 0xee);
  memcpy(bytes.data(), &header, sizeof(header));
  memcpy(&bytes[NLMSG_HDRLEN], &body, sizeof(body));
  memcpy(bytes.data() + NLMSG_HDRLEN + sizeof(body) + echoed, words.data(), words.size());
  return bytes;
}

std::optional<Answer> Read(const std::vector<uint8_t>& bytes) {
  Bytes rest = bytes;
  Message message;
  if (!TakeMessage(&rest, &message)) return std::nullopt;
  return ReadAnswer(message);
}

TEST(NetlinkReaderTest, ReadsWhatTheWriterWrote) {
  Writer writer;
  writer.Begin(0x0102, NLM_F_DUMP, 2, 9);
  writer.AddU8(1, 1);
  writer.AddU16(2, 2);
  writer.AddU32(3, 3);
  writer.AddU64(4, 4);
  writer.AddString(5, "five");
  writer.Nest(6, [&] { writer.AddU32(1, 6); });
  writer.Begin(0x0304, 0, 10);

  Bytes rest = writer.Finish();
  Message message;
  ASSERT_TRUE(TakeMessage(&rest, &message));
  EXPECT_EQ(message.type, 0x0102);
  EXPECT_EQ(message.flags, NLM_F_REQUEST | NLM_F_DUMP);
  EXPECT_EQ(message.sequence, 1U);
  const auto payload = ReadNetfilter(message.payload);
  ASSERT_TRUE(payload.has_value());
  EXPECT_EQ(payload->family, 2);
  EXPECT_EQ(payload->resource, 9);
  const Attributes& attributes = payload->attributes;
  EXPECT_EQ(attributes.U8(1), 1);
  EXPECT_EQ(attributes.U16(2), 2);
  EXPECT_EQ(attributes.U32(3), 3U);
  EXPECT_EQ(attributes.U64(4), 4U);
  EXPECT_EQ(attributes.Text(5), "five");
  EXPECT_EQ(attributes.Nested(6).U32(1), 6U);
  ASSERT_TRUE(TakeMessage(&rest, &message));
  EXPECT_EQ(message.type, 0x0304);
  EXPECT_FALSE(TakeMessage(&rest, &message));
}

TEST(NetlinkReaderTest, ANumberOfAnotherSizeIsNone) {
  Writer writer;
  writer.Begin(1, 0, 0);
  writer.AddU16(1, 1);
  Bytes rest = writer.Finish();
  Message message;
  ASSERT_TRUE(TakeMessage(&rest, &message));
  const Attributes attributes = ReadNetfilter(message.payload)->attributes;
  EXPECT_FALSE(attributes.U32(1).has_value());
  EXPECT_FALSE(attributes.U8(1).has_value());
  EXPECT_FALSE(attributes.U16(2).has_value());
}

TEST(NetlinkReaderTest, AMessageCutAnywhereIsReadWithoutWhatIsMissing) {
  Writer writer;
  writer.Begin(1, 0, 0);
  writer.Nest(1, [&] { writer.AddU32(2, 3); });
  const Bytes whole = writer.Finish();
  for (size_t length = 0; length < whole.size(); ++length) {
    // Of its own, so that the sanitizer sees a read beyond it.
    const std::vector<uint8_t> cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(length));
    Bytes rest = cut;
    Message message;
    EXPECT_FALSE(TakeMessage(&rest, &message)) << length;
    const Attributes attributes{Bytes(cut).subspan(std::min<size_t>(20, length))};
    EXPECT_FALSE(attributes.Nested(1).U32(2).has_value()) << length;
  }
}

TEST(NetlinkReaderTest, ALengthShorterThanItsHeaderEndsTheReading) {
  const std::vector<uint8_t> attribute = {3, 0, 1, 0, 8, 0, 1, 0, 1, 2, 3, 4};
  EXPECT_FALSE(Attributes(Bytes(attribute)).Find(1).has_value());
  std::vector<uint8_t> header(16);
  header[0] = 15;
  Bytes rest = header;
  Message message;
  EXPECT_FALSE(TakeMessage(&rest, &message));
}

TEST(NetlinkReaderTest, TextWithoutItsZeroEndsWithTheAttribute) {
  const std::vector<uint8_t> attribute = {6, 0, 1, 0, 'a', 'b', 'x', 'x'};
  EXPECT_EQ(Attributes(Bytes(attribute)).Text(1), "ab");
}

TEST(NetlinkAnswerTest, ZeroIsDoneAndNegativeAnErrno) {
  EXPECT_EQ(Read(AnswerBytes(0, 0, 0, nullptr))->error, 0);
  const auto refused = Read(AnswerBytes(-17, 0, 0, nullptr));
  EXPECT_EQ(refused->error, 17);
  EXPECT_EQ(refused->sequence, 7U);
  EXPECT_EQ(Read(AnswerBytes(INT_MIN, 0, 0, nullptr))->error, INT_MAX);
}

TEST(NetlinkAnswerTest, HasTheKernelsWordsWhetherWhatWasAskedIsEchoedOrNot) {
  EXPECT_EQ(Read(AnswerBytes(-2, NLM_F_ACK_TLVS, 6, "no such map"))->text, "no such map");
  EXPECT_EQ(Read(AnswerBytes(-2, NLM_F_ACK_TLVS | NLM_F_CAPPED, 6, "no such map"))->text,
            "no such map");
  EXPECT_EQ(Read(AnswerBytes(-2, 0, 0, "not said to be there"))->text, "");
}

TEST(NetlinkAnswerTest, AnythingElseIsNoAnswer) {
  Writer writer;
  writer.Begin(0x0102, 0, 0);
  Bytes rest = writer.Finish();
  Message message;
  ASSERT_TRUE(TakeMessage(&rest, &message));
  EXPECT_FALSE(ReadAnswer(message).has_value());
  message.type = NLMSG_ERROR;  // too short for one
  EXPECT_FALSE(ReadAnswer(message).has_value());
}

}  // namespace
}  // namespace tlsbridge::netlink
