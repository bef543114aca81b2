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

TLSBRIDGE_FOR_BOTH_TLS_VERSIONS(Traps);

}  // namespace
}  // namespace tlsbridge::testing
