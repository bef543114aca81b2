// The close matrix: a backend that cannot be reached. The client reads an alert, never an empty but
// complete stream.

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <string>

#include "gtest/gtest.h"
#include "tests/support/close_matrix.h"
#include "tests/support/failing_system.h"

namespace tlsbridge::testing {
namespace {

using Reason = TerminationReason;

class CloseMatrixConnect : public CloseMatrix {
 protected:
  void ConnectToNobody(const SocketAddress& backend) {
    backend_address_ = backend;
    StartRouter();
    client_ = ConnectTls(Tls());
    ASSERT_TRUE(Until([this] { return client_->handshake_done(); }));
  }

  // The client learns that something went wrong, and no byte is invented.
  void ExpectUnserved(Reason reason, const std::string& error = "") {
    ASSERT_TRUE(ClientEnded());
    EXPECT_EQ(client_->end(), StreamEnd::kFin);
    EXPECT_EQ(client_->alert_received(), SSL_AD_INTERNAL_ERROR);
    EXPECT_FALSE(client_->close_notify_received());
    EXPECT_EQ(client_->received(), "");
    client_->socket().Fin();
    ASSERT_TRUE(AllEnded());
    ExpectEnd({reason, reason, reason, error, "", dropped_});
  }

  static SocketAddress At(const std::string& text) { return *SocketAddress::Parse(text); }

  bool dropped_ = false;
};

// What half-closed connections do, which TLS 1.2 does not know.
class CloseMatrixConnectHalfClosed : public CloseMatrixConnect {};

TEST_P(CloseMatrixConnect, ABackendThatRefuses) {
  backend_->Close();
  ConnectToNobody(backend_->address());
  ExpectUnserved(Reason::kEconnrefused, "ECONNREFUSED");
}

TEST_P(CloseMatrixConnect, ABackendThatRefusesLosesWhatTheClientHasSentAndSaysSo) {
  backend_->Close();
  // On loopback it would refuse before a client of TLS 1.2 can have sent anything.
  backend_address_ = At("0.0.0.0:" + std::to_string(backend_->address().port()));
  StartRouter();
  client_ = ConnectTls(Tls());
  client_->Send("hello?");
  dropped_ = true;
  ExpectUnserved(Reason::kEconnrefused, "ECONNREFUSED");
}

TEST_P(CloseMatrixConnect, AUnixPathWhereNobodyIsRefuses) {
  ConnectToNobody(At("unix:/nonexistent/app.sock"));
  ExpectUnserved(Reason::kEconnrefused, "ENOENT");
}

TEST_P(CloseMatrixConnect, AUnixSocketWithAFullBacklogRefuses) {
  char folder[] = "/tmp/tlsbridge-XXXXXX";  // a test's own folder is too long for a socket's name
  ASSERT_NE(mkdtemp(folder), nullptr);
  const std::string path = std::string(folder) + "/full.sock";
  const ListeningPeer full(At("unix:" + path), /*backlog=*/0);
  const auto filler = Peer::Connect(At("unix:" + path));
  ConnectToNobody(At("unix:" + path));
  ExpectUnserved(Reason::kEconnrefused, "EAGAIN");
  unlink(path.c_str());
  rmdir(folder);
}

TEST_P(CloseMatrixConnect, ANetworkThatIsUnreachable) {
  ConnectToNobody(At("255.255.255.255:9"));  // the kernel says so without sending anything
  ExpectUnserved(Reason::kEnetunreach, "ENETUNREACH");
}

TEST_P(CloseMatrixConnect, AnyOtherErrnoIsAProxyErrorWithTheErrnoKept) {
  StartRouter();
  client_ = ConnectTls(Tls());
  {
    const NoConnecting none(EINVAL);
    ASSERT_TRUE(Until([this] { return client_->end() != StreamEnd::kOpen; }));
  }
  ExpectUnserved(Reason::kProxyError, "EINVAL");
}

TEST_P(CloseMatrixConnect, ABackendThatNeverAnswersIsGivenUp) {
  const BlackHole hole;
  route_.timeouts.connect = absl::Seconds(5);
  ConnectToNobody(hole.address());
  Settle();
  EXPECT_EQ(Dump().value("state", ""), "connecting");
  Advance(absl::Seconds(5) - absl::Milliseconds(1));
  EXPECT_EQ(live_connections(), 1u);
  EXPECT_EQ(manager_->live().sockets, 2);
  Advance(absl::Milliseconds(1));
  EXPECT_EQ(manager_->live().sockets, 1) << "the backend's is closed";
  ExpectUnserved(Reason::kConnectTimeout);
}

TEST_P(CloseMatrixConnect, AClientMaySendMuchToABackendThatNeverAnswersAndIsPaused) {
  const BlackHole hole;
  backend_address_ = hole.address();
  StartRouter();
  client_ = ConnectTls(Tls());
  client_->Send(std::string(10'000'000, 'x'));
  ASSERT_TRUE(Until([this] {
    return live_connections() == 1 && Dump().value("queued_to_backend", 0u) >= Endpoint::kHighMark;
  }));
  Settle();
  EXPECT_LE(Dump().value("queued_to_backend", 0u), Endpoint::kHighMark + 4096);
  EXPECT_EQ(Dump()["client_reads_paused"], nlohmann::json({"other_side_full"}));
  EXPECT_GT(client_->socket().unsent(), 0u);
  Advance(route_.timeouts.connect);
  Advance(route_.bridge.grace);
  ExpectEnd({Reason::kConnectTimeout, Reason::kConnectTimeout, Reason::kConnectTimeout, "", "",
             /*dropped=*/true});
}

TEST_P(CloseMatrixConnect, WithoutADescriptorForTheBackendTheReasonIsTheLimit) {
  TlsPeer::Options options = Tls();
  options.allowance = 1;
  StartRouter();
  client_ = ConnectTls(options);
  ASSERT_TRUE(Until([this] { return live_connections() == 1; }));
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const int lowest_free = open("/dev/null", O_RDONLY | O_CLOEXEC);
  close(lowest_free);
  const rlimit none_left = {static_cast<rlim_t>(lowest_free), before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none_left), 0);
  client_->Allow(1'000'000);
  const bool done = UntilWithTime([this] { return client_->end() != StreamEnd::kOpen; });
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_TRUE(done);
  ExpectUnserved(Reason::kFdLimit, "EMFILE");
}

TEST_P(CloseMatrixConnect, WithoutAPortForTheBackendItDialsOnceMoreAndSaysThatItIsOurFault) {
  StartRouter();
  client_ = ConnectTls(Tls());
  {
    const NoConnecting none(EADDRNOTAVAIL);
    ASSERT_TRUE(UntilWithTime([this] { return client_->end() != StreamEnd::kOpen; }));
  }
  ExpectUnserved(Reason::kLocalError, "EADDRNOTAVAIL");
}

TEST_P(CloseMatrixConnect, AShortageThatIsOverInAMomentIsNotSeen) {
  StartRouter();
  client_ = ConnectTls(Tls());
  ASSERT_TRUE(Until([this] { return live_connections() == 1; }));
  {
    const NoConnecting none(EADDRNOTAVAIL);
    ASSERT_TRUE(Until([this] { return client_->handshake_done(); }));
    Settle();
  }
  EXPECT_EQ(backend_->Accept(), nullptr);
  EXPECT_EQ(live_connections(), 1u);
  Advance(kRedialDelay);
  ASSERT_TRUE(Until([this] {
    if (backend_peer_ == nullptr) backend_peer_ = backend_->Accept();
    return backend_peer_ != nullptr;
  }));
  client_->Send("served");
  ASSERT_TRUE(Until([this] { return backend_peer_->received() == "served"; }));
}

// ---- The client leaves meanwhile.

TEST_P(CloseMatrixConnect, AClientThatResetsMeanwhileEndsTheDialling) {
  const BlackHole hole;
  ConnectToNobody(hole.address());
  Settle();
  client_->socket().Reset();
  ASSERT_TRUE(AllEnded());
  ExpectEnd(EndedAs::Both(Reason::kEconnreset, "ECONNRESET"));
}

TEST_P(CloseMatrixConnect, AClientThatIsCutOffMeanwhileEndsTheDialling) {
  const BlackHole hole;
  ConnectToNobody(hole.address());
  Settle();
  client_->socket().Fin();
  ASSERT_TRUE(AllEnded());
  ExpectEnd(EndedAs::Both(Reason::kTruncated));
}

TEST_P(CloseMatrixConnectHalfClosed, AClientThatEndsItsStreamMeanwhileIsStillServed) {
  const BlackHole hole;
  ConnectToNobody(hole.address());
  client_->SendCloseNotify();
  Settle();
  EXPECT_EQ(live_connections(), 1u) << "its question may still be answered";
  Advance(route_.timeouts.connect);
  ASSERT_TRUE(ClientEnded());
  EXPECT_EQ(client_->alert_received(), SSL_AD_INTERNAL_ERROR);
  client_->socket().Fin();
  ASSERT_TRUE(AllEnded());
  ExpectEnd(EndedAs::Both(Reason::kConnectTimeout));
}

TLSBRIDGE_FOR_BOTH_TLS_VERSIONS(CloseMatrixConnect);
TLSBRIDGE_FOR_TLS13(CloseMatrixConnectHalfClosed);

}  // namespace
}  // namespace tlsbridge::testing
