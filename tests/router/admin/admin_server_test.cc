// The admin server before clients that ask, and clients that do anything else. Real sockets, a
// clock that the test turns.

#include "router/admin/admin_server.h"

#include <signal.h>

#include <memory>
#include <string>
#include <vector>

#include "bridge/event/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "router/config/version.h"
#include "router/log/libevent_log.h"
#include "tests/support/failing_system.h"
#include "tests/support/few_descriptors.h"
#include "tests/support/log_capture.h"
#include "tests/support/peer.h"

namespace tlsbridge::testing {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class AdminServerTest : public ::testing::Test, private AdminServer::Source {
 protected:
  void SetUp() override {
    signal(SIGPIPE, SIG_IGN);
    LogLibevent();
    socket_ = *ListeningSocket::Open(*SocketAddress::Parse("127.0.0.1:0"));
    AdminServer::Source* const source = this;
    Serve(AdminServer::Serves::kAll, source);
  }
  void Serve(AdminServer::Serves serves, AdminServer::Source* source) {
    server_ = std::make_unique<AdminServer>(loop_.get(), socket_.get(), serves, source);
    ASSERT_TRUE(server_->Start().ok());
  }
  void ServeMetricsOnly() {
    AdminServer::Source* const source = this;
    Serve(AdminServer::Serves::kMetrics, source);
  }
  void TearDown() override {
    server_.reset();
    Turn(2);
    EXPECT_EQ(loop_->service_timers().armed(), 0u);
  }

  std::unique_ptr<Peer> Connect() { return Peer::Connect(socket_->address()); }
  std::unique_ptr<Peer> Ask(const std::string& request) {
    auto peer = Connect();
    peer->Send(request);
    Settle(*peer);
    return peer;
  }
  std::string AnswerTo(const std::string& request) { return Ask(request)->received(); }

  void Turn(int turns) {
    for (int i = 0; i < turns; ++i) loop_->Turn(/*wait=*/false);
  }
  // Loopback delivers within the call that sends.
  void Settle(Peer& peer) {
    for (int i = 0; i < 20; ++i) {
      loop_->Turn(/*wait=*/false);
      peer.Step();
    }
  }
  void Advance(absl::Duration by) {
    clock_.Advance(by);
    Turn(3);
  }

  LogCapture log_;
  ManualClock clock_;
  std::unique_ptr<EventLoop> loop_ = *EventLoop::Create(&clock_);
  std::unique_ptr<ListeningSocket> socket_;
  std::unique_ptr<AdminServer> server_;
  bool accepting_ = true;
  std::string unready_;
  std::string json_ = "{\"records\":[]}";
  ConnectionPage page_;             // the last that was asked for
  RecentFailures::Query failures_;  // likewise
  RecentEnds::Query ended_;         // likewise
  int drains_ = 0;
  absl::AnyInvocable<void(bool ok, std::string text)> upgrade_;
  LogLevel level_ = LogLevel::kOff;
  bool has_log_ = true;
  bool thinks_ = false;  // answers come when a test calls those below
  std::vector<OnText> answers_later_;

 private:
  bool accepting() const override { return accepting_; }
  std::string unready() const override { return unready_; }
  void ConnectionsJson(const ConnectionPage& page, OnText done) override {
    page_ = page;
    if (!thinks_) return done(json_);
    answers_later_.push_back(std::move(done));
  }
  void StatusJson(OnText done) override { done("{\"verdict\":\"ready\"}"); }
  void EndedJson(const RecentEnds::Query& query, OnText done) override {
    ended_ = query;
    done("{\"ended\":[]}");
  }
  void FailuresJson(const RecentFailures::Query& query, OnText done) override {
    failures_ = query;
    done("{\"failures\":[]}");
  }
  void RoutesJson(OnText done) override { done("{\"routes\":[]}"); }
  bool Drain() override { return drains_++ == 0; }
  void Upgrade(absl::AnyInvocable<void(bool ok, std::string text)> done) override {
    upgrade_ = std::move(done);
  }
  bool SetLevel(LogLevel level) override {
    level_ = level;
    return has_log_;
  }
  void CertificatesJson(OnText done) override { done("{\"certificates\":[]}"); }
  void Metrics(Exposition::Format format, OnText done) override {
    done(format == Exposition::Format::kOpenMetrics ? "# EOF\n" : "# metrics\n");
  }
};

// ---- Those that ask.

TEST_F(AdminServerTest, AnswersWhatItIsAsked) {
  EXPECT_THAT(AnswerTo("GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), EndsWith("\r\n\r\nlive\n")));
  EXPECT_THAT(AnswerTo("GET /connections HTTP/1.1\r\nHost: localhost\r\n\r\n"),
              AllOf(HasSubstr("Content-Type: application/json\r\n"), EndsWith(json_)));
  EXPECT_THAT(AnswerTo("GET /routes HTTP/1.1\r\nHost: localhost\r\n\r\n"),
              EndsWith("{\"routes\":[]}"));
  EXPECT_THAT(AnswerTo("GET /certificates HTTP/1.1\r\nHost: localhost\r\n\r\n"),
              EndsWith("{\"certificates\":[]}"));
  EXPECT_THAT(AnswerTo("GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n"),
              EndsWith("{\"verdict\":\"ready\"}"));
  EXPECT_THAT(AnswerTo("GET /else HTTP/1.1\r\nHost: localhost\r\n\r\n"),
              StartsWith("HTTP/1.1 404 "));
}

TEST_F(AdminServerTest, MetricsComeAsTheClientTakesThem) {
  EXPECT_THAT(AnswerTo("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"),
              AllOf(HasSubstr("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"),
                    EndsWith("\r\n\r\n# metrics\n")));
  EXPECT_THAT(AnswerTo("GET /metrics HTTP/1.1\r\nHost: localhost\r\n"
                       "Accept: text/plain;q=0.5\r\n"
                       "Accept: application/openmetrics-text;version=1.0.0\r\n\r\n"),
              AllOf(HasSubstr("Content-Type: application/openmetrics-text; version=1.0.0;"),
                    EndsWith("\r\n\r\n# EOF\n")));
}

TEST_F(AdminServerTest, MetricsAndProbesAloneAnswerByAnyHost) {
  ServeMetricsOnly();
  const std::string by_name = " HTTP/1.1\r\nHost: orders-7d9f.prod.svc:9902\r\n\r\n";
  EXPECT_THAT(AnswerTo("GET /metrics" + by_name), EndsWith("\r\n\r\n# metrics\n"));
  EXPECT_THAT(AnswerTo("GET /live" + by_name), EndsWith("\r\n\r\nlive\n"));
  EXPECT_THAT(AnswerTo("GET /ready" + by_name), EndsWith("\r\n\r\nready\n"));
  EXPECT_THAT(AnswerTo("GET /accepting" + by_name), EndsWith("\r\n\r\naccepting\n"));
}

TEST_F(AdminServerTest, NothingElseIsThereWhereMetricsAndProbesAlone) {
  ServeMetricsOnly();
  for (const char* path : {"/", "/help", "/status", "/connections", "/ended", "/failures",
                           "/routes", "/certificates", "/version", "/log-level"}) {
    EXPECT_THAT(AnswerTo(std::string("GET ") + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n"),
                AllOf(StartsWith("HTTP/1.1 404 "), HasSubstr("GET  /metrics"),
                      Not(HasSubstr("/status")), HasSubstr("on the admin address")))
        << path;
  }
  const std::string command = " HTTP/1.1\r\nHost: localhost\r\nTlsbridge-Command: 1\r\n\r\n";
  EXPECT_THAT(AnswerTo("POST /drain" + command), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(AnswerTo("POST /log-level?level=debug" + command), StartsWith("HTTP/1.1 404 "));
  EXPECT_EQ(drains_, 0);
}

TEST_F(AdminServerTest, TellsItsVersion) {
  EXPECT_THAT(AnswerTo("GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n"),
              EndsWith(std::string("\r\n\r\ntlsbridge ") + kVersion + "\n"));
}

TEST_F(AdminServerTest, ConnectionsComeByPages) {
  const auto ask = [this](const std::string& query) {
    return AnswerTo("GET /connections" + query + " HTTP/1.1\r\n\r\n");
  };
  EXPECT_THAT(ask(""), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(page_.limit, ConnectionPage::kMost);
  EXPECT_THAT(ask("?after=7&limit=100&route=orders"), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(page_.after, 7u);
  EXPECT_EQ(page_.limit, 100u);
  EXPECT_EQ(page_.filter.route, "orders");
  EXPECT_THAT(ask("?limit=0"), AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("limit: '0'")));
}

TEST_F(AdminServerTest, EndsComeAsTheyAreAskedFor) {
  EXPECT_THAT(AnswerTo("GET /ended?id=7&route=orders&limit=3 HTTP/1.1\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 200 "), EndsWith("{\"ended\":[]}")));
  EXPECT_EQ(ended_.id, 7u);
  EXPECT_EQ(ended_.filter.route, "orders");
  EXPECT_EQ(ended_.limit, 3u);
  EXPECT_THAT(AnswerTo("GET /ended?state=bridging HTTP/1.1\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 400 "),
                    HasSubstr("unknown parameter 'state'; use id, route, reason, peer, limit")));
}

TEST_F(AdminServerTest, FailuresComeAsTheyAreAskedFor) {
  EXPECT_THAT(AnswerTo("GET /failures?reason=denied&after=9 HTTP/1.1\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 200 "), EndsWith("{\"failures\":[]}")));
  EXPECT_EQ(failures_.reason, TerminationReason::kDenied);
  EXPECT_EQ(failures_.after, 9u);
  EXPECT_THAT(AnswerTo("GET /failures?reason=x HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
}

TEST_F(AdminServerTest, WhatThereIsIsListed) {
  for (const char* path : {"/help", "/else"}) {
    EXPECT_THAT(AnswerTo(std::string("GET ") + path + " HTTP/1.1\r\n\r\n"),
                AllOf(HasSubstr("\nGET  /status "), HasSubstr("\nPOST /drain ")));
  }
}

TEST_F(AdminServerTest, ThePageLoadsNothingButItsOwnScriptAndStyle) {
  const std::string plain = AnswerTo("GET / HTTP/1.1\r\n\r\n");
  EXPECT_THAT(plain,
              AllOf(StartsWith("HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"),
                    HasSubstr("Content-Security-Policy: default-src 'none'; script-src 'sha256-"),
                    EndsWith("</html>\n")));
  const std::string packed = AnswerTo("GET / HTTP/1.1\r\nAccept-Encoding: br, gzip;q=0.5\r\n\r\n");
  EXPECT_THAT(packed,
              AllOf(HasSubstr("Content-Encoding: gzip\r\n"), HasSubstr("\r\n\r\n\x1f\x8b")));
  EXPECT_LT(packed.size(), plain.size() / 2);
  EXPECT_THAT(AnswerTo("GET / HTTP/1.1\r\nAccept-Encoding: gzip;q=0\r\n\r\n"),
              EndsWith("</html>\n"));
  for (const char* outside : {" src=", "@import", "url(", "https:", "//cdn", "<link rel=\"style"}) {
    EXPECT_EQ(plain.find(outside), std::string::npos) << outside;
  }
}

TEST_F(AdminServerTest, WhatStaysTheSameIsNotSentTwice) {
  const std::string answer = AnswerTo("GET /version HTTP/1.1\r\n\r\n");
  const size_t tag = answer.find("ETag: ") + 6;
  const std::string etag = answer.substr(tag, answer.find("\r\n", tag) - tag);
  EXPECT_THAT(AnswerTo("GET /version HTTP/1.1\r\nIf-None-Match: " + etag + "\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 304 "), EndsWith("\r\n\r\n")));
}

TEST_F(AdminServerTest, ACommandChangesSomethingAndAPageCannot) {
  const auto post = [this](const std::string& target, const std::string& fields) {
    return AnswerTo("POST " + target + " HTTP/1.1\r\nHost: localhost\r\n" + fields + "\r\n");
  };
  EXPECT_THAT(AnswerTo("GET /drain HTTP/1.1\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 405 "), HasSubstr("Allow: POST\r\n")));
  EXPECT_THAT(post("/status", "Tlsbridge-Command: 1\r\n"),
              AllOf(StartsWith("HTTP/1.1 405 "), HasSubstr("Allow: GET, HEAD\r\n")));
  EXPECT_THAT(post("/drain", ""), StartsWith("HTTP/1.1 403 "));
  EXPECT_THAT(post("/drain", "Tlsbridge-Command: 1\r\nOrigin: http://localhost\r\n"),
              StartsWith("HTTP/1.1 403 "));
  EXPECT_THAT(post("/drain", "Tlsbridge-Command: 1\r\nSec-Fetch-Site: cross-site\r\n"),
              StartsWith("HTTP/1.1 403 "));
  EXPECT_EQ(drains_, 0);
  EXPECT_THAT(post("/drain", "Tlsbridge-Command: 1\r\n"),
              AllOf(StartsWith("HTTP/1.1 200 "), EndsWith("draining\n")));
  EXPECT_EQ(drains_, 1);
  EXPECT_THAT(post("/drain", "Tlsbridge-Command: 1\r\n"), EndsWith("already draining\n"));
  EXPECT_THAT(post("/log-level?level=debug", "Tlsbridge-Command: 1\r\n"),
              AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("log level debug")));
  EXPECT_EQ(level_, LogLevel::kDebug);
  EXPECT_THAT(post("/log-level?level=x", "Tlsbridge-Command: 1\r\n"), StartsWith("HTTP/1.1 400 "));
  has_log_ = false;
  EXPECT_THAT(post("/log-level?level=info", "Tlsbridge-Command: 1\r\n"),
              StartsWith("HTTP/1.1 409 "));
}

TEST_F(AdminServerTest, IsReadyUntilItDrains) {
  EXPECT_THAT(AnswerTo("GET /ready HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(AnswerTo("GET /accepting HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 200 OK\r\n"));
  unready_ = "routes that are down: orders";
  EXPECT_THAT(AnswerTo("GET /ready HTTP/1.1\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 503 "), HasSubstr("\r\n\r\n" + unready_ + "\n")));
  EXPECT_THAT(AnswerTo("GET /accepting HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 200 OK\r\n"))
      << "for who would rather have the other routes than none";
  accepting_ = false;
  EXPECT_THAT(AnswerTo("GET /accepting HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 503 "));
}

TEST_F(AdminServerTest, OthersAreAnsweredWhileAListIsAwaited) {
  thinks_ = true;
  const auto patient = Ask("GET /connections HTTP/1.1\r\n\r\n");
  EXPECT_EQ(patient->received(), "");
  EXPECT_THAT(AnswerTo("GET /live HTTP/1.1\r\n\r\n"), EndsWith("live\n"));
  answers_later_[0](json_);
  Settle(*patient);
  EXPECT_THAT(patient->received(), EndsWith(json_));
}

TEST_F(AdminServerTest, SaysSoWhenTheListDoesNotComeInTime) {
  thinks_ = true;
  const auto peer = Ask("GET /connections HTTP/1.1\r\n\r\n");
  Advance(AdminConnection::kThinkTime);
  Settle(*peer);
  EXPECT_THAT(peer->received(),
              AllOf(StartsWith("HTTP/1.1 503 "), EndsWith("no answer in time\n")));
  answers_later_[0](json_);  // too late, and harmless
  Settle(*peer);
  EXPECT_THAT(peer->received(), EndsWith("no answer in time\n"));
}

TEST_F(AdminServerTest, AnUpgradeMayTakeItsTimeAndIsAnsweredByWhoHandsOver) {
  const auto peer = Ask("POST /upgrade HTTP/1.1\r\nTlsbridge-Command: 1\r\n\r\n");
  Advance(10 * AdminConnection::kThinkTime);
  Settle(*peer);
  EXPECT_EQ(peer->received(), "");
  server_->Pause();
  const auto late = Ask("GET /live HTTP/1.1\r\n\r\n");
  bool idle = false;
  server_->AwaitIdle([&idle] { idle = true; });
  EXPECT_FALSE(idle);
  upgrade_(true, "process 7 serves now");
  Settle(*peer);
  EXPECT_THAT(peer->received(),
              AllOf(StartsWith("HTTP/1.1 200 "), EndsWith("process 7 serves now\n")));
  peer->Close();
  Settle(*late);
  EXPECT_TRUE(idle);
  EXPECT_EQ(late->received(), "") << "that is for who serves next";
  server_->Resume();
  Settle(*late);
  EXPECT_THAT(late->received(), StartsWith("HTTP/1.1 200 "));
}

TEST_F(AdminServerTest, AnUpgradeThatFailsSaysWhy) {
  const auto peer = Ask("POST /upgrade HTTP/1.1\r\nTlsbridge-Command: 1\r\n\r\n");
  upgrade_(false, "no such file");
  Settle(*peer);
  EXPECT_THAT(peer->received(), AllOf(StartsWith("HTTP/1.1 409 "), EndsWith("no such file\n")));
}

TEST_F(AdminServerTest, AListForWhoHasGoneIsForNobody) {
  thinks_ = true;
  const auto peer = Ask("GET /connections HTTP/1.1\r\n\r\n");
  Advance(AdminConnection::kThinkTime);
  Advance(AdminConnection::kAnswerTime);
  Advance(AdminConnection::kLingerTime);
  EXPECT_EQ(server_->connections(), 0u);
  answers_later_[0](json_);
}

TEST_F(AdminServerTest, ListsThatAreBeingMadeAreFew) {
  thinks_ = true;
  std::vector<std::unique_ptr<Peer>> peers;
  for (int i = 0; i < AdminServer::kMaxAwaited; ++i) {
    peers.push_back(Ask("GET /connections HTTP/1.1\r\n\r\n"));
    EXPECT_EQ(peers.back()->received(), "");
  }
  EXPECT_THAT(AnswerTo("GET /connections HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 503 "));
  answers_later_[0](json_);
  EXPECT_EQ(Ask("GET /connections HTTP/1.1\r\n\r\n")->received(), "") << "there is room again";
}

TEST_F(AdminServerTest, EndsInOrderBehindItsAnswer) {
  const auto peer = Ask("GET /live HTTP/1.1\r\n\r\n");
  EXPECT_EQ(peer->end(), StreamEnd::kFin);
  EXPECT_EQ(server_->connections(), 1u) << "until the client closes";
  peer->Close();
  Turn(2);
  EXPECT_EQ(server_->connections(), 0u);
}

TEST_F(AdminServerTest, AClientThatHasAlreadyEndedItsStreamIsAnswered) {
  const auto peer = Connect();
  peer->Send("GET /live HTTP/1.0\r\n\r\n");
  peer->Fin();
  Settle(*peer);
  EXPECT_THAT(peer->received(), EndsWith("live\n"));
  EXPECT_EQ(peer->end(), StreamEnd::kFin);
  EXPECT_EQ(server_->connections(), 0u);
}

TEST_F(AdminServerTest, ARequestMayComeByteByByte) {
  const auto peer = Connect();
  for (const char c : std::string("GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n")) {
    EXPECT_EQ(peer->received(), "");
    peer->Send(std::string(1, c));
    Settle(*peer);
  }
  EXPECT_THAT(peer->received(), EndsWith("live\n"));
}

TEST_F(AdminServerTest, ALongListIsDeliveredToASlowClient) {
  json_ = std::string(8'000'000, 'j');
  const auto peer = Connect();
  peer->StallReading(true);
  peer->Send("GET /connections HTTP/1.1\r\n\r\n");
  Settle(*peer);
  Advance(AdminConnection::kAnswerTime - absl::Milliseconds(1));
  peer->StallReading(false);
  for (int i = 0; i < 2000 && peer->end() == StreamEnd::kOpen; ++i) Settle(*peer);
  EXPECT_THAT(peer->received(), EndsWith("\r\n\r\n" + json_));
  EXPECT_EQ(peer->end(), StreamEnd::kFin);
}

// ---- Those that do not behave.

TEST_F(AdminServerTest, OneThatSaysNothingIsClosed) {
  const auto peer = Connect();
  Turn(2);
  Advance(AdminConnection::kRequestTime - absl::Milliseconds(1));
  EXPECT_EQ(server_->connections(), 1u);
  Advance(absl::Milliseconds(1));
  EXPECT_EQ(server_->connections(), 0u);
}

TEST_F(AdminServerTest, OneThatSendsAByteASecondIsClosedAllTheSame) {
  const auto peer = Connect();
  for (int i = 0; i < 5; ++i) {
    peer->Send("G");
    Settle(*peer);
    Advance(absl::Seconds(1));
  }
  EXPECT_EQ(server_->connections(), 0u);
}

TEST_F(AdminServerTest, OneThatDoesNotTakeItsAnswerIsClosed) {
  json_ = std::string(8'000'000, 'j');
  const auto peer = Connect();
  peer->StallReading(true);
  peer->Send("GET /connections HTTP/1.1\r\n\r\n");
  Settle(*peer);
  Advance(AdminConnection::kAnswerTime);
  EXPECT_EQ(server_->connections(), 0u);
}

TEST_F(AdminServerTest, OneThatNeverClosesIsClosed) {
  const auto peer = Ask("GET /live HTTP/1.1\r\n\r\n");
  Advance(AdminConnection::kLingerTime);
  EXPECT_EQ(server_->connections(), 0u);
}

TEST_F(AdminServerTest, AHeadTooLargeIsRefusedAndTheRefusalArrives) {
  const auto peer = Ask("GET /live HTTP/1.1\r\nX: " + std::string(1'000'000, 'x'));
  EXPECT_THAT(peer->received(), StartsWith("HTTP/1.1 431 "));
  EXPECT_EQ(peer->end(), StreamEnd::kFin) << "no reset that might overtake it";
}

TEST_F(AdminServerTest, GarbageIsRefused) {
  EXPECT_THAT(AnswerTo("\x16\x03\x01\x02\n\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(AnswerTo("DELETE /connections HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 405 "));
}

TEST_F(AdminServerTest, OfPipelinedRequestsTheFirstIsAnswered) {
  std::string requests = "GET /live HTTP/1.1\r\n\r\n";
  for (int i = 0; i < 10'000; ++i) requests += "GET /connections HTTP/1.1\r\n\r\n";
  const auto peer = Ask(requests);
  EXPECT_THAT(peer->received(), EndsWith("\r\n\r\nlive\n"));
  EXPECT_EQ(peer->end(), StreamEnd::kFin);
}

TEST_F(AdminServerTest, OneThatLeavesAnywhereLeavesNothingBehind) {
  json_ = std::string(8'000'000, 'j');
  const std::string request = "GET /connections HTTP/1.1\r\n\r\n";
  for (size_t length = 0; length <= request.size(); ++length) {
    for (const bool reset : {false, true}) {
      const auto peer = Connect();
      peer->StallReading(true);
      peer->Send(request.substr(0, length));
      Turn(3);
      EXPECT_EQ(server_->connections(), 1u);
      reset ? peer->Reset() : peer->Close();
      Turn(3);
      EXPECT_EQ(server_->connections(), 0u) << length << (reset ? " reset" : " closed");
    }
  }
}

TEST_F(AdminServerTest, InAFloodOfSilentClientsOneThatAsksIsAnswered) {
  std::vector<std::unique_ptr<Peer>> flood;
  for (int i = 0; i < 500; ++i) {
    flood.push_back(Connect());
    if (i % 20 == 0) Turn(1);
  }
  Turn(50);
  EXPECT_EQ(server_->connections(), AdminServer::kMaxConnections);
  EXPECT_THAT(AnswerTo("GET /live HTTP/1.1\r\n\r\n"), EndsWith("live\n"));
  EXPECT_EQ(server_->connections(), AdminServer::kMaxConnections);
}

TEST_F(AdminServerTest, ListsThatNobodyTakesAreBoundedInAll) {
  json_ = std::string(AdminServer::kMaxQueuedBytes / 2 + 8'000'000, 'j');
  std::vector<std::unique_ptr<Peer>> stalled;
  for (int i = 0; i < 2; ++i) {
    stalled.push_back(Connect());
    stalled.back()->StallReading(true);
    stalled.back()->Send("GET /connections HTTP/1.1\r\n\r\n");
    Settle(*stalled.back());
  }
  EXPECT_THAT(AnswerTo("GET /connections HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(AnswerTo("GET /live HTTP/1.1\r\n\r\n"), EndsWith("live\n"));
}

TEST_F(AdminServerTest, WithoutADescriptorItWaitsQuietlyAndThenAnswers) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer needs descriptors for itself when something is logged";
#endif
  const auto peer = Connect();
  peer->Send("GET /live HTTP/1.1\r\n\r\n");
  {
    const FewDescriptors none(0);
    Turn(1000);
    EXPECT_EQ(server_->connections(), 0u);
  }
  EXPECT_EQ(log_.Events("accept_paused").size(), 1u);
  Advance(absl::Seconds(1));
  Settle(*peer);
  EXPECT_THAT(peer->received(), EndsWith("live\n"));
}

TEST_F(AdminServerTest, LetsGoAtOnceOfAClientThatItCannotHear) {
  const auto peer = Connect();
  {
    const NoWatches none;
    Settle(*peer);
  }
  EXPECT_NE(peer->end(), StreamEnd::kOpen);
  EXPECT_EQ(server_->connections(), 0u);
  EXPECT_THAT(AnswerTo("GET /live HTTP/1.1\r\n\r\n"), EndsWith("live\n"));
}

TEST_F(AdminServerTest, LetsGoAtOnceOfAClientThatItCannotAnswer) {
  const auto peer = Connect();
  Settle(*peer);
  peer->Send("GET /live HTTP/1.1\r\n\r\n");
  {
    const NoWatches none;
    Settle(*peer);
  }
  EXPECT_NE(peer->end(), StreamEnd::kOpen);
  EXPECT_EQ(server_->connections(), 0u);
}

TEST_F(AdminServerTest, MayBeDestroyedWithClientsInEveryState) {
  json_ = std::string(8'000'000, 'j');
  const auto silent = Connect();
  const auto answered = Ask("GET /live HTTP/1.1\r\n\r\n");
  const auto stalled = Connect();
  stalled->StallReading(true);
  stalled->Send("GET /connections HTTP/1.1\r\n\r\n");
  Settle(*stalled);
  EXPECT_EQ(server_->connections(), 3u);
  server_.reset();
  Settle(*silent);
  EXPECT_EQ(silent->end(), StreamEnd::kFin);
}

}  // namespace
}  // namespace tlsbridge::testing
