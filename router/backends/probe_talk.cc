#include "router/backends/probe_talk.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "bridge/proxy_protocol/encoder.h"
#include "tls/backend_session.h"

namespace tlsbridge {
namespace {

using Result = ProbeStep::Result;

class Connect final : public ProbeTalk {
 public:
  ProbeStep Begin() override { return {Result::kPassed}; }
  ProbeStep Receive(absl::Span<const uint8_t>) override { return {Result::kPassed}; }
  ProbeStep ReceiveEnd() override { return {Result::kPassed}; }
};

class SendExpect final : public ProbeTalk {
 public:
  SendExpect(std::string send, std::string expect)
      : send_(std::move(send)), expect_(std::move(expect)) {}

  ProbeStep Begin() override {
    return {expect_.empty() ? Result::kPassed : Result::kMore, std::move(send_)};
  }

  ProbeStep Receive(absl::Span<const uint8_t> bytes) override {
    const size_t compare = std::min(bytes.size(), expect_.size() - matched_);
    received_.append(reinterpret_cast<const char*>(bytes.data()), compare);
    if (received_.compare(matched_, compare, expect_, matched_, compare) != 0) {
      return {Result::kFailed, "", absl::StrCat("answers '", absl::CHexEscape(received_), "'")};
    }
    matched_ += compare;
    return {matched_ == expect_.size() ? Result::kPassed : Result::kMore};
  }

  ProbeStep ReceiveEnd() override {
    return {Result::kFailed, "", "closes before the answer is complete"};
  }

 private:
  std::string send_;
  const std::string expect_;
  std::string received_;  // no longer than expect_
  size_t matched_ = 0;
};

class Tls final : public ProbeTalk {
 public:
  Tls(std::shared_ptr<const tls::BackendContext> context, tls::Staging* staging,
      const std::string& backend)
      : staging_(staging), session_(Connect(std::move(context), staging, backend)) {}

  ProbeStep Begin() override { return After(session_->Start()); }
  ProbeStep Receive(absl::Span<const uint8_t> bytes) override {
    return After(session_->Receive(bytes).verdict);
  }
  ProbeStep ReceiveEnd() override {
    session_->ReceiveEof();
    return {Result::kFailed, "", "closes during the handshake"};
  }

 private:
  // There is no client to follow, so it is offered all that a connection may be offered.
  static std::unique_ptr<tls::Session> Connect(std::shared_ptr<const tls::BackendContext> context,
                                               tls::Staging* staging, const std::string& backend) {
    const std::string alpn = context->alpn();
    return tls::BackendSession::Connect(std::move(context), staging, backend, alpn);
  }

  ProbeStep After(tls::Verdict verdict) {
    ProbeStep step;
    TakeOutput(&step);
    if (session_->handshake_done()) {
      session_->SendCloseNotify();
      TakeOutput(&step);
      step.result = Result::kPassed;
    } else if (verdict != tls::Verdict::kWantRead) {
      step.result = Result::kFailed;
      step.why = absl::StrCat("tls: ", tls::Describe(session_->failure()));
    }
    return step;
  }
  // Due after each call on the session.
  void TakeOutput(ProbeStep* step) {
    const absl::Span<const uint8_t> output = staging_->output();
    step->output.append(reinterpret_cast<const char*>(output.data()), output.size());
    staging_->ClearOutput();
  }

  tls::Staging* const staging_;  // Not owned.
  const std::unique_ptr<tls::Session> session_;
};

class BehindHeader final : public ProbeTalk {
 public:
  BehindHeader(std::string header, std::unique_ptr<ProbeTalk> talk)
      : header_(std::move(header)), talk_(std::move(talk)) {}

  ProbeStep Begin() override {
    ProbeStep step = talk_->Begin();
    step.output.insert(0, header_);
    return step;
  }
  ProbeStep Receive(absl::Span<const uint8_t> bytes) override { return talk_->Receive(bytes); }
  ProbeStep ReceiveEnd() override { return talk_->ReceiveEnd(); }

 private:
  const std::string header_;
  const std::unique_ptr<ProbeTalk> talk_;
};

}  // namespace

std::unique_ptr<ProbeTalk> ConnectTalk() { return std::make_unique<Connect>(); }

std::unique_ptr<ProbeTalk> SendExpectTalk(std::string send, std::string expect) {
  return std::make_unique<SendExpect>(std::move(send), std::move(expect));
}

std::unique_ptr<ProbeTalk> TlsTalk(std::shared_ptr<const tls::BackendContext> context,
                                   tls::Staging* staging, const std::string& backend) {
  return std::make_unique<Tls>(std::move(context), staging, backend);
}

std::unique_ptr<ProbeTalk> BehindProxyHeader(ProxyProtocol version,
                                             std::unique_ptr<ProbeTalk> talk) {
  switch (version) {
    case ProxyProtocol::kNone:
      return talk;
    case ProxyProtocol::kV1:
      return std::make_unique<BehindHeader>(proxy_protocol::EncodeLine({}, {}), std::move(talk));
    case ProxyProtocol::kV2:
      return std::make_unique<BehindHeader>(proxy_protocol::EncodeBinary({.local = true}).bytes,
                                            std::move(talk));
  }
  return talk;
}

}  // namespace tlsbridge
