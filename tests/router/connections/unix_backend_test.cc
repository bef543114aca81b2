// A backend behind a UNIX socket, which knows no reset: what it can see of a stream that is cut
// short, and what it cannot.

#include <stdlib.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "tests/support/close_matrix.h"

namespace tlsbridge::testing {
namespace {

using Reason = TerminationReason;

class UnixBackend : public CloseMatrix {
 protected:
  void SetUp() override {
    CloseMatrix::SetUp();
    ASSERT_NE(mkdtemp(folder_), nullptr);
    path_ = std::string(folder_) + "/app.sock";
    backend_ = std::make_unique<ListeningPeer>(*SocketAddress::Parse("unix:" + path_));
  }
  void TearDown() override {
    CloseMatrix::TearDown();
    unlink(path_.c_str());
    rmdir(folder_);
  }

  char folder_[32] = "/tmp/tlsbridge-XXXXXX";  // a socket's name must be short
  std::string path_;
};

// What half-closed connections do, which TLS 1.2 does not know.
class UnixBackendHalfClosed : public UnixBackend {};

TEST_P(UnixBackendHalfClosed, SeesTheEndOfAWholeStream) {
  Connect();
  client_->Send("request");
  client_->SendCloseNotify();
  ASSERT_TRUE(BackendEnded());
  EXPECT_EQ(backend_peer_->received(), "request");
  EXPECT_EQ(backend_peer_->end(), StreamEnd::kFin);
  backend_peer_->Send("answer");
  backend_peer_->Fin();
  ASSERT_TRUE(ClientEnded());
  EXPECT_EQ(client_->received(), "answer");
  ASSERT_TRUE(BothHangUp());
  ExpectEnd({Reason::kClosedIncoming, Reason::kNormal, Reason::kSocketEnd, "", ""});
}

TEST_P(UnixBackend, CannotTellAStreamThatIsCutShortFromAWholeOne) {
  Connect();
  client_->Send("half a requ");
  client_->socket().Fin();
  ASSERT_TRUE(BackendEnded());
  EXPECT_EQ(backend_peer_->received(), "half a requ");
  EXPECT_EQ(backend_peer_->end(), StreamEnd::kFin) << "the kernel has nothing else";
  ASSERT_TRUE(AllEnded());
  ExpectEnd(EndedAs::Both(Reason::kTruncated));
}

TEST_P(UnixBackend, SeesAResetBehindTheLastByteWhereItHasSentSomethingUnread) {
  Connect();
  client_->socket().StallReading(true);
  // More than all kernel buffers on the way to the client hold, so that some of it stays unread.
  backend_peer_->Send(std::string(40'000'000, 'a'));
  ASSERT_TRUE(Until([this] { return !Dump()["backend_reads_paused"].empty(); }));
  Settle();
  client_->Send("half a requ");
  client_->socket().Fin();
  ASSERT_TRUE(BackendEnded());
  EXPECT_EQ(backend_peer_->received(), "half a requ");
  EXPECT_EQ(backend_peer_->end(), StreamEnd::kReset);
  client_->socket().StallReading(false);
  ASSERT_TRUE(AllEnded());
  EXPECT_EQ(Ended(Reason::kTruncated), 1u);
}

TEST_P(UnixBackend, SeesAResetWhereItSpeaksWhileItIsSlowToRead) {
  Connect();
  backend_peer_->StallReading(true);
  client_->Send("half a requ");
  Settle();
  client_->socket().Fin();
  Settle();
  backend_peer_->Send("an answer to nobody");
  backend_peer_->StallReading(false);
  ASSERT_TRUE(BackendEnded());
  EXPECT_EQ(backend_peer_->received(), "half a requ");
  EXPECT_EQ(backend_peer_->end(), StreamEnd::kReset);
  ASSERT_TRUE(AllEnded());
  EXPECT_EQ(Ended(Reason::kTruncated), 1u);
}

TEST_P(UnixBackendHalfClosed, GetsTheWholeStreamOfAClientThatResetsAfterItThoughItIsSlow) {
  Connect();
  backend_peer_->StallReading(true);
  client_->Send("request");
  client_->SendCloseNotify();
  Settle();
  client_->socket().Reset();
  Advance(absl::Seconds(20));
  EXPECT_EQ(live_connections(), 1u);
  backend_peer_->StallReading(false);
  ASSERT_TRUE(BackendEnded());
  EXPECT_EQ(backend_peer_->received(), "request");
  EXPECT_EQ(backend_peer_->end(), StreamEnd::kFin);
  ASSERT_TRUE(AllEnded());
  EXPECT_EQ(Ended(Reason::kEconnreset), 1u);
}

TLSBRIDGE_FOR_BOTH_TLS_VERSIONS(UnixBackend);
TLSBRIDGE_FOR_TLS13(UnixBackendHalfClosed);

}  // namespace
}  // namespace tlsbridge::testing
