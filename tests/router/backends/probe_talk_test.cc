#include "router/backends/probe_talk.h"

#include <gtest/gtest.h>

#include "bridge/proxy_protocol/decoder.h"
#include "tls/certificates/development_ca.h"
#include "tls/client_session.h"
#include "tls/server_context.h"

namespace tlsbridge {
namespace {

using Result = ProbeStep::Result;

absl::Span<const uint8_t> Bytes(absl::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

TEST(SendExpectTalk, PassesHoweverTheAnswerIsSplit) {
  for (size_t piece = 1; piece <= 8; ++piece) {
    auto talk = SendExpectTalk("PING\r\n", "+PONG");
    const ProbeStep begin = talk->Begin();
    EXPECT_EQ(begin.result, Result::kMore);
    EXPECT_EQ(begin.output, "PING\r\n");
    const std::string answer = "+PONG\r\n";
    Result result = Result::kMore;
    size_t at = 0;
    for (; at < 5; at += piece) {
      EXPECT_EQ(result, Result::kMore);
      result = talk->Receive(Bytes(answer.substr(at, piece))).result;
    }
    EXPECT_EQ(result, Result::kPassed) << piece;
  }
}

TEST(SendExpectTalk, FailsAtTheFirstWrongByteAndShowsItEscaped) {
  auto talk = SendExpectTalk("", "+PONG");
  EXPECT_EQ(talk->Begin().result, Result::kMore);
  EXPECT_EQ(talk->Receive(Bytes("+P")).result, Result::kMore);
  const ProbeStep step = talk->Receive(Bytes("\x01 and a great deal more"));
  EXPECT_EQ(step.result, Result::kFailed);
  EXPECT_EQ(step.why, "answers '+P\\x01 a'");
}

TEST(SendExpectTalk, FailsWhenTheBackendCloses) {
  auto talk = SendExpectTalk("", "+PONG");
  talk->Begin();
  EXPECT_EQ(talk->ReceiveEnd().result, Result::kFailed);
}

TEST(SendExpectTalk, ExpectingNothingPassesOnceSent) {
  const ProbeStep begin = SendExpectTalk("hello", "")->Begin();
  EXPECT_EQ(begin.result, Result::kPassed);
  EXPECT_EQ(begin.output, "hello");
}

// What a backend reads that takes the header off its connections.
struct Taken {
  proxy_protocol::Header header;
  std::string rest;
};
Taken TakeHeader(const std::string& output) {
  proxy_protocol::Decoder decoder;
  const auto result = decoder.Feed(Bytes(output));
  EXPECT_EQ(result.progress, proxy_protocol::Decoder::Progress::kWhole);
  return {decoder.header(), output.substr(std::min(result.consumed_bytes, output.size()))};
}

TEST(BehindProxyHeader, TheHeaderComesFirstAndNamesNobody) {
  for (const ProxyProtocol version : {ProxyProtocol::kV1, ProxyProtocol::kV2}) {
    auto talk = BehindProxyHeader(version, SendExpectTalk("PING\r\n", "+PONG"));
    const ProbeStep begin = talk->Begin();
    EXPECT_EQ(begin.result, Result::kMore);
    const Taken taken = TakeHeader(begin.output);
    EXPECT_EQ(taken.header.source.family(), AF_UNSPEC);
    EXPECT_EQ(taken.header.local, version == ProxyProtocol::kV2) << "section 2.2: health checks";
    EXPECT_EQ(taken.rest, "PING\r\n");
    EXPECT_EQ(talk->Receive(Bytes("+PONG")).result, Result::kPassed);
    EXPECT_EQ(talk->ReceiveEnd().result, Result::kFailed);
  }
  EXPECT_EQ(BehindProxyHeader(ProxyProtocol::kV1, ConnectTalk())->Begin().output,
            "PROXY UNKNOWN\r\n");
}

TEST(BehindProxyHeader, ACheckThatOnlyConnectsSendsItToo) {
  const ProbeStep begin = BehindProxyHeader(ProxyProtocol::kV2, ConnectTalk())->Begin();
  EXPECT_EQ(begin.result, Result::kPassed);
  EXPECT_EQ(TakeHeader(begin.output).rest, "");
}

TEST(BehindProxyHeader, NoneWhereTrafficHasNone) {
  EXPECT_EQ(BehindProxyHeader(ProxyProtocol::kNone, ConnectTalk())->Begin().output, "");
}

class TlsTalkTest : public ::testing::Test {
 protected:
  TlsTalkTest() {
    auto identity = tls::MakeDevelopmentIdentity(absl::FromUnixSeconds(1'750'000'000));
    EXPECT_TRUE(identity.ok());
    context_ = *tls::ServerContext::Create(identity->localhost);
    server_ = tls::ClientSession::Accept(*context_, &server_staging_);
    tls::BackendOptions options;
    options.insecure_skip_verify = true;
    talk_ = TlsTalk(*tls::BackendContext::Create(options), &client_staging_, "127.0.0.1:443");
  }

  // What the server makes of `bytes`.
  std::string Server(absl::string_view bytes) {
    server_->Receive(Bytes(bytes));
    const absl::Span<const uint8_t> output = server_staging_.output();
    std::string answer(reinterpret_cast<const char*>(output.data()), output.size());
    server_staging_.ClearOutput();
    return answer;
  }

  std::shared_ptr<const tls::ServerContext> context_;
  tls::Staging server_staging_;
  tls::Staging client_staging_;
  std::unique_ptr<tls::Session> server_;
  std::unique_ptr<ProbeTalk> talk_;
};

TEST_F(TlsTalkTest, PassesWhenTheHandshakeIsDoneAndSaysGoodbye) {
  ProbeStep step = talk_->Begin();
  for (int i = 0; i < 4 && step.result == Result::kMore; ++i) {
    step = talk_->Receive(Bytes(Server(step.output)));
  }
  EXPECT_EQ(step.result, Result::kPassed) << step.why;
  Server(step.output);
  EXPECT_TRUE(server_->handshake_done());
  EXPECT_TRUE(server_->close_notify_received());
}

TEST_F(TlsTalkTest, TheProxyHeaderComesBeforeTheHandshakeOnce) {
  auto talk = BehindProxyHeader(ProxyProtocol::kV2, std::move(talk_));
  ProbeStep step = talk->Begin();
  step.output = TakeHeader(step.output).rest;
  for (int i = 0; i < 4 && step.result == Result::kMore; ++i) {
    step = talk->Receive(Bytes(Server(step.output)));
  }
  EXPECT_EQ(step.result, Result::kPassed) << step.why;
}

TEST_F(TlsTalkTest, FailsAtABackendThatSpeaksNoTls) {
  EXPECT_EQ(talk_->Begin().result, Result::kMore);
  const ProbeStep step = talk_->Receive(Bytes("HTTP/1.1 400 Bad Request\r\n\r\n"));
  EXPECT_EQ(step.result, Result::kFailed);
  EXPECT_EQ(step.why.substr(0, 5), "tls: ");
}

TEST_F(TlsTalkTest, FailsWhenTheBackendClosesInTheMiddle) {
  const std::string answer = Server(talk_->Begin().output);
  EXPECT_EQ(talk_->Receive(Bytes(answer.substr(0, 100))).result, Result::kMore);
  EXPECT_EQ(talk_->ReceiveEnd().result, Result::kFailed);
}

}  // namespace
}  // namespace tlsbridge
