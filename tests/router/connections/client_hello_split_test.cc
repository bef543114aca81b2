// A ClientHello may come in any pieces (trap T20): the handshake succeeds and its name is known.

#include <limits>
#include <string>

#include "gtest/gtest.h"
#include "tests/support/close_matrix.h"

namespace tlsbridge::testing {
namespace {

class Traps : public CloseMatrix {
 protected:
  TlsPeer::Options Holding(size_t allowance) const {
    return {.version = GetParam(), .server_name = "split.example", .allowance = allowance};
  }

  size_t ClientHelloBytes() {
    auto probe = ConnectTls(Holding(0));
    return probe->held_back();
  }

  void ExpectServed() {
    ASSERT_TRUE(Until([this] { return client_->handshake_done(); }));
    EXPECT_EQ(Dump().value("sni", ""), "split.example");
    client_->socket().Reset();
    ASSERT_TRUE(Until([this] { return live_connections() == 0; }));
  }
};

TEST_P(Traps, T20_AClientHelloSplitAtAnyByteIsUnderstood) {
  StartRouter();
  const size_t bytes = ClientHelloBytes();
  ASSERT_TRUE(AllEnded());
  ASSERT_GT(bytes, 100u);
  for (size_t split = 1; split < bytes; ++split) {
    client_ = ConnectTls(Holding(split));
    ASSERT_TRUE(Until([this] { return live_connections() == 1; }));
    loop_->Turn(/*wait=*/false);
    client_->Allow(std::numeric_limits<size_t>::max());
    ExpectServed();
    ASSERT_FALSE(HasFailure()) << "split at " << split;
  }
}

TEST_P(Traps, T20_AHandshakeThatComesByteByByteIsUnderstood) {
  StartRouter();
  client_ = ConnectTls(Holding(0));
  ASSERT_TRUE(Until([this] {
    client_->Allow(1);
    return client_->handshake_done() && client_->held_back() == 0;
  }));
  ExpectServed();
}

// A hello with a post-quantum key fills more than one segment; the byte-by-byte test has the rest.
TEST_P(Traps, T20_AHelloOfTwoOrThreeSegmentsIsUnderstood) {
  if (GetParam() != TLS1_3_VERSION) GTEST_SKIP() << "TLS 1.2 has no such keys";
  StartRouter();
  for (const size_t segment : {size_t{1400}, size_t{700}, size_t{536}}) {
    TlsPeer::Options options = Holding(0);
    options.groups = "X25519MLKEM768:X25519";
    client_ = ConnectTls(options);
    ASSERT_GT(client_->held_back(), 1216u) << "its key alone";
    ASSERT_TRUE(Until([this] { return live_connections() == 1; }));
    ASSERT_TRUE(Until([this, segment] {
      client_->Allow(segment);
      return client_->handshake_done() && client_->held_back() == 0;
    }));
    EXPECT_EQ(SSL_get_group_id(client_->ssl()), SSL_GROUP_X25519_MLKEM768);
    ExpectServed();
  }
}

TLSBRIDGE_FOR_BOTH_TLS_VERSIONS(Traps);

}  // namespace
}  // namespace tlsbridge::testing
