// Clients that never say close_notify: which of their ends somebody has to look into.

#include <string>

#include "gtest/gtest.h"
#include "tests/support/close_matrix.h"

namespace tlsbridge::testing {
namespace {

class WithoutCloseNotify : public CloseMatrix {
 protected:
  // Its FIN, when it has received as much as has been sent.
  void Leave() {
    Settle();
    client_->socket().Fin();
    ASSERT_TRUE(AllEnded());
    ExpectEnd(EndedAs::Both(TerminationReason::kTruncated));
  }
  std::string Level() { return log_.Events("connection_end").at(0).value("level", ""); }
};

TEST_P(WithoutCloseNotify, AfterItsAnswerIsNothingToLookInto) {
  Connect();
  client_->Send("question");
  Settle();
  backend_peer_->Send("answer");
  ASSERT_NO_FATAL_FAILURE(Leave());
  EXPECT_EQ(client_->received(), "answer");
  EXPECT_EQ(Level(), "info");
}

TEST_P(WithoutCloseNotify, AfterTheWholeOfTheBackendsStreamIsNothingToLookInto) {
  Connect();
  client_->Send("question");
  Settle();
  backend_peer_->Send("answer");
  backend_peer_->Fin();
  ASSERT_NO_FATAL_FAILURE(Leave());
  EXPECT_TRUE(client_->close_notify_received());
  EXPECT_EQ(Level(), "info");
}

TEST_P(WithoutCloseNotify, BeforeAnybodySaidAWordIsNothingToLookInto) {
  Connect();
  ASSERT_NO_FATAL_FAILURE(Leave());
  EXPECT_EQ(Level(), "info");
}

TEST_P(WithoutCloseNotify, AmidARequestIsAWarning) {
  Connect();
  client_->Send("half a requ");
  ASSERT_NO_FATAL_FAILURE(Leave());
  EXPECT_EQ(Level(), "warning");
}

TEST_P(WithoutCloseNotify, AmidARecordIsAWarning) {
  Connect();
  client_->Send("question");
  Settle();
  backend_peer_->Send("answer");
  Settle();
  client_->socket().Send("\x17\x03\x03\x40" + std::string(2, '\0'));
  ASSERT_NO_FATAL_FAILURE(Leave());
  EXPECT_EQ(Level(), "warning");
}

TLSBRIDGE_FOR_BOTH_TLS_VERSIONS(WithoutCloseNotify);

}  // namespace
}  // namespace tlsbridge::testing
