#include <gtest/gtest.h>

#include <string>

#include "tools/bench/load/options.h"

namespace tlsbridge::bench {
namespace {

RawOptions Minimal() {
  RawOptions raw;
  raw.connect = "127.0.0.1:8443";
  return raw;
}

// The message with which the options are refused; empty when they are not.
std::string Refusal(const std::string& mode, const RawOptions& raw) {
  return std::string(CheckOptions(mode, raw).status().message());
}

TEST(LoadOptionsTest, AcceptsEveryModeWithNothingButAnAddress) {
  for (const char* mode : {"handshake", "roundtrip", "bulk", "idle"}) {
    EXPECT_EQ(Refusal(mode, Minimal()), "") << mode;
  }
}

TEST(LoadOptionsTest, AsksForTls13UnlessToldOtherwise) {
  const auto options = CheckOptions("handshake", Minimal());
  ASSERT_TRUE(options.ok());
  ASSERT_TRUE(options->tls.has_value());
  EXPECT_EQ(options->tls->version, "1.3");
}

TEST(LoadOptionsTest, MakesNoTlsWhenPlain) {
  RawOptions raw = Minimal();
  raw.plain = true;
  const auto options = CheckOptions("roundtrip", raw);
  ASSERT_TRUE(options.ok());
  EXPECT_FALSE(options->tls.has_value());
}

TEST(LoadOptionsTest, RefusesTlsOptionsWhenPlain) {
  RawOptions raw = Minimal();
  raw.plain = true;
  raw.group = "X25519";
  EXPECT_NE(Refusal("roundtrip", raw), "");
}

TEST(LoadOptionsTest, AClientHelloIsInFrontOfPlainBytesOnly) {
  RawOptions raw = Minimal();
  raw.hello = true;
  EXPECT_NE(Refusal("roundtrip", raw), "");
  raw.plain = true;
  EXPECT_TRUE(CheckOptions("roundtrip", raw)->hello);
}

TEST(LoadOptionsTest, RefusesAnUnknownMode) {
  EXPECT_NE(Refusal("roundtrips", Minimal()), "");
  EXPECT_NE(Refusal("", Minimal()), "");
}

TEST(LoadOptionsTest, RefusesAnAddressThatIsNoAddress) {
  for (const char* address : {"", "localhost:1", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:65536"}) {
    RawOptions raw;
    raw.connect = address;
    EXPECT_NE(Refusal("idle", raw), "") << address;
  }
}

TEST(LoadOptionsTest, NamesTheOptionThatTheModeWouldIgnore) {
  RawOptions raw = Minimal();
  raw.size = 100;
  EXPECT_EQ(Refusal("handshake", raw), "--size does not apply to handshake");
  raw = Minimal();
  raw.nagle = true;
  EXPECT_EQ(Refusal("roundtrip", raw), "--nagle does not apply to roundtrip");
  raw = Minimal();
  raw.duration = absl::Seconds(1);
  EXPECT_EQ(Refusal("bulk", raw), "--duration does not apply to bulk");
}

TEST(LoadOptionsTest, RefusesBothACountAndADuration) {
  RawOptions raw = Minimal();
  raw.count = 10;
  EXPECT_EQ(Refusal("handshake", raw), "");
  raw.duration = absl::Seconds(1);
  EXPECT_NE(Refusal("handshake", raw), "");
}

TEST(LoadOptionsTest, LetsNoWarmUpEatIntoACount) {
  RawOptions raw = Minimal();
  raw.count = 10;
  const auto options = CheckOptions("handshake", raw);
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->warmup, absl::ZeroDuration());
}

TEST(LoadOptionsTest, StormNeedsARate) {
  EXPECT_EQ(Refusal("storm", Minimal()), "storm needs --rate");
  RawOptions raw = Minimal();
  raw.rate = 1000;
  EXPECT_EQ(Refusal("storm", raw), "");
}

TEST(LoadOptionsTest, RefusesWhatCannotBeMeasured) {
  RawOptions raw = Minimal();
  raw.connections = 0;
  EXPECT_NE(Refusal("roundtrip", raw), "");
  raw = Minimal();
  raw.size = 0;
  EXPECT_NE(Refusal("roundtrip", raw), "");
  raw = Minimal();
  raw.bytes = 3;  // Four connections by default.
  EXPECT_NE(Refusal("bulk", raw), "");
  raw = Minimal();
  raw.rate = -1;
  EXPECT_NE(Refusal("roundtrip", raw), "");
}

TEST(LoadOptionsTest, ReadsTheProcessesToWatch) {
  RawOptions raw = Minimal();
  raw.cpu_of = {"12", "34"};
  const auto options = CheckOptions("idle", raw);
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->cpu_of, (std::vector<pid_t>{12, 34}));
  raw.cpu_of = {"12", "haproxy"};
  EXPECT_NE(Refusal("idle", raw), "");
}

}  // namespace
}  // namespace tlsbridge::bench
