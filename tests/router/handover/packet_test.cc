// The words of a hand-over.

#include "router/handover/packet.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Kind = Packet::Kind;

std::vector<uint8_t> BytesOf(const Packet& packet) {
  const SecretBytes bytes = EncodePacket(packet);
  return {bytes.span().begin(), bytes.span().end()};
}

std::string WhyNot(const std::vector<uint8_t>& bytes) {
  return std::string(ParsePacket(bytes).status().message());
}

TEST(HandoverPacket, EachComesBackAsItWas) {
  Packet begin = {.kind = Kind::kBegin};
  begin.state_bytes = 123456;
  begin.descriptors = 300;
  const auto parsed = ParsePacket(BytesOf(begin));
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->state_bytes, 123456u);
  EXPECT_EQ(parsed->descriptors, 300u);
  Packet ready = {.kind = Kind::kReady};
  ready.taken = {true, false, true};
  EXPECT_THAT(ParsePacket(BytesOf(ready))->taken, ElementsAre(true, false, true));
  Packet refused = {.kind = Kind::kRefused};
  refused.reason = "no\nfile";
  EXPECT_EQ(ParsePacket(BytesOf(refused))->reason, "no file") << "one line";
  for (const Kind kind : {Kind::kGo, Kind::kServing}) {
    EXPECT_EQ(ParsePacket(BytesOf({.kind = kind}))->kind, kind);
  }
}

TEST(HandoverPacket, OfAnotherVersionOnlyARefusalIsHeard) {
  Packet refused = {.kind = Kind::kRefused};
  refused.reason = "too old";
  std::vector<uint8_t> bytes = BytesOf(refused);
  bytes[5] = 9;
  EXPECT_EQ(ParsePacket(bytes)->reason, "too old");
  bytes = BytesOf({.kind = Kind::kGo});
  bytes[5] = 9;
  EXPECT_THAT(WhyNot(bytes), AllOf(HasSubstr("version 9"), HasSubstr("version 1"),
                                   HasSubstr("stop the running one")));
}

TEST(HandoverPacket, WhatIsTooLongOrUnknownIsRefused) {
  EXPECT_THAT(WhyNot({}), HasSubstr("not a hand-over of tlsbridge"));
  std::vector<uint8_t> bytes = BytesOf({.kind = Kind::kGo});
  bytes.push_back(0);
  EXPECT_THAT(WhyNot(bytes), HasSubstr("too long"));
  bytes = BytesOf({.kind = static_cast<Kind>(99)});
  EXPECT_THAT(WhyNot(bytes), HasSubstr("unknown message 99"));
  Packet begin = {.kind = Kind::kBegin};
  begin.state_bytes = 0xFFFFFFFF;
  EXPECT_THAT(WhyNot(BytesOf(begin)), HasSubstr("too large"));
}

TEST(HandoverPacket, AReasonIsCutBeforeItIsTooLong) {
  Packet refused = {.kind = Kind::kRefused};
  refused.reason = std::string(100'000, 'x');
  EXPECT_EQ(ParsePacket(BytesOf(refused))->reason.size(), kMostReason);
}

}  // namespace
}  // namespace tlsbridge
