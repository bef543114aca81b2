#include <gtest/gtest.h>

#include <string>

#include "tools/bench/net/address.h"
#include "tools/bench/net/pattern.h"
#include "tools/bench/net/protocol.h"

namespace tlsbridge::bench {
namespace {

TEST(PatternTest, MatchesItselfAcrossPeriods) {
  std::string bytes;
  while (bytes.size() < 5 * kPatternPeriod) {
    const auto slice = PatternAt(17 + bytes.size(), 1000);
    bytes.append(slice.data(), slice.size());
  }
  EXPECT_EQ(MatchingBytes(17, bytes), bytes.size());
}

TEST(PatternTest, TellsWhereTheFirstWrongByteIs) {
  const auto slice = PatternAt(0, kPatternLongestSlice);
  std::string bytes(slice.data(), slice.size());
  bytes[70'000] ^= 1;
  EXPECT_EQ(MatchingBytes(0, bytes), 70'000u);
}

TEST(PatternTest, NoticesALostRecord) {
  const auto slice = PatternAt(0, kPatternLongestSlice);
  std::string bytes(slice.data(), slice.size());
  bytes.erase(16'384, 16'384);
  EXPECT_LT(MatchingBytes(0, bytes), 16'400u);
}

TEST(ProtocolTest, LengthsSurviveEncoding) {
  for (const uint64_t length : {uint64_t{0}, uint64_t{255}, uint64_t{256}, UINT64_MAX}) {
    EXPECT_EQ(DecodeLength(EncodeLength(length)), length);
  }
}

TEST(AddressTest, SaysWhatItWasParsedFrom) {
  for (const char* text : {"127.0.0.1:8443", "[::1]:443"}) {
    const auto address = Address::Parse(text);
    ASSERT_TRUE(address.ok()) << text;
    EXPECT_EQ(address->ToString(), text);
  }
}

}  // namespace
}  // namespace tlsbridge::bench
