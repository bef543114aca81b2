// Nothing holds up the first request of a client that does not set TCP_NODELAY: its kernel keeps
// it until the handshake's last flight is acknowledged.

#include "gtest/gtest.h"
#include "tests/support/close_matrix.h"

namespace tlsbridge::testing {
namespace {

class FirstRequest : public CloseMatrix {};

TEST_P(FirstRequest, IsNotHeldUpByAHandshakeThatNothingAcknowledges) {
  Connect();
  EXPECT_EQ(backend_peer_->received(), "");
  // By itself the kernel acknowledges after 40 ms at the earliest, and the loop has turned faster.
  EXPECT_EQ(client_->socket().Unacknowledged(), 0);
}

TLSBRIDGE_FOR_BOTH_TLS_VERSIONS(FirstRequest);

}  // namespace
}  // namespace tlsbridge::testing
