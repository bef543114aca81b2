// Sessions whose signatures are made elsewhere: the handshake waits, and nothing is lost meanwhile.

#include "tls/signing.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/tls/memory_client.h"
#include "tests/tls/test_certificates.h"
#include "tls/client_session.h"

namespace tlsbridge::tls {
namespace {

using ::tlsbridge::testing::CertificateShape;
using ::tlsbridge::testing::MakeCertificate;
using ::tlsbridge::testing::MemoryClient;
using ::tlsbridge::testing::TestCertificate;

absl::Span<const uint8_t> Bytes(const std::string& text) {
  return absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(text.data()), text.size());
}

// Signs at once, as a worker does whose thread does not come to run.
class PromptSigner final : public Signer {
 public:
  void Sign(std::shared_ptr<SigningJob> job) override { job->Finish(job->Sign()); }
};

class HeldSigner final : public Signer {
 public:
  void Sign(std::shared_ptr<SigningJob> job) override { jobs.push_back(std::move(job)); }
  std::vector<std::shared_ptr<SigningJob>> jobs;
};

std::unique_ptr<ServerContext> MakeContext(bool rsa) {
  CertificateShape shape;
  shape.alternative_names = "DNS:localhost";
  shape.extended_usage = "serverAuth";
  shape.rsa = rsa;
  TestCertificate made = MakeCertificate(shape, nullptr);
  Certificate certificate;
  certificate.pair.name = "test.crt";
  certificate.pair.chain.push_back(std::move(made.certificate));
  certificate.pair.key = std::move(made.key);
  ServerOptions options;
  options.certificates.push_back(MakeCredential(certificate).value());
  return *ServerContext::Create(options);
}

const ServerContext& RsaContext() {
  static const auto* const context = MakeContext(/*rsa=*/true).release();
  return *context;
}

class SigningTest : public ::testing::TestWithParam<uint16_t> {
 protected:
  void SetUp() override {
    session_ = ClientSession::Accept(RsaContext(), RsaContext().Default(), &staging_, &signer_);
    session_->set_on_signed([this] { ++times_told_; });
  }
  Session::Received Receive(const std::string& bytes) {
    const Session::Received received = session_->Receive(Bytes(bytes));
    output_.assign(staging_.output().begin(), staging_.output().end());
    staging_.ClearOutput();
    return received;
  }
  void FinishHandshake() {
    for (int i = 0; i < 5 && !session_->handshake_done(); ++i) {
      client_.Receive(output_);
      Receive(client_.TakeOutput());
    }
    client_.Receive(output_);
  }

  HeldSigner signer_;
  Staging staging_;
  MemoryClient client_{GetParam()};
  std::unique_ptr<ClientSession> session_;
  std::string output_;
  int times_told_ = 0;
};

TEST_P(SigningTest, TheHandshakeWaitsForTheSignatureAndGoesOn) {
  EXPECT_EQ(Receive(client_.TakeOutput()).verdict, Verdict::kWantRead);
  ASSERT_TRUE(session_->awaits_signature());
  ASSERT_EQ(signer_.jobs.size(), 1u);
  EXPECT_EQ(times_told_, 0);
  signer_.jobs[0]->Finish(signer_.jobs[0]->Sign());
  EXPECT_EQ(times_told_, 1);
  EXPECT_EQ(Receive("").verdict, Verdict::kWantRead);
  EXPECT_FALSE(session_->awaits_signature());
  FinishHandshake();
  EXPECT_TRUE(session_->handshake_done());
  EXPECT_TRUE(client_.handshake_done()) << "it has verified the signature";
  EXPECT_EQ(signer_.jobs.size(), 1u) << "one signature a handshake";
}

TEST_P(SigningTest, WhatComesBehindTheHelloIsReadAfterTheSignature) {
  // A plaintext alert: what a client sends that has thought better of it.
  const std::string alert("\x15\x03\x03\x00\x02\x02\x5a", 7);
  Receive(client_.TakeOutput() + alert);
  ASSERT_TRUE(session_->awaits_signature());
  signer_.jobs[0]->Finish(signer_.jobs[0]->Sign());
  EXPECT_EQ(Receive("").verdict, Verdict::kFailed);
  EXPECT_EQ(session_->failure().detail, FailureDetail::kClientAlert);
  EXPECT_EQ(session_->failure().alert, 90);  // user_canceled
}

TEST_P(SigningTest, ASignatureThatCannotBeMadeFailsTheHandshake) {
  Receive(client_.TakeOutput());
  ASSERT_TRUE(session_->awaits_signature());
  signer_.jobs[0]->Finish({});
  EXPECT_EQ(Receive("").verdict, Verdict::kFailed);
}

TEST_P(SigningTest, ASessionThatIsGoneIsNeitherSignedForNorTold) {
  Receive(client_.TakeOutput());
  session_.reset();
  EXPECT_TRUE(signer_.jobs[0]->Sign().empty());
  signer_.jobs[0]->Finish({});
  EXPECT_EQ(times_told_, 0);
}

TEST_P(SigningTest, ASignatureThatIsThereAtOnceIsNotWaitedFor) {
  PromptSigner prompt;
  session_ = ClientSession::Accept(RsaContext(), RsaContext().Default(), &staging_, &prompt);
  Receive(client_.TakeOutput());
  EXPECT_FALSE(session_->awaits_signature());
  EXPECT_FALSE(output_.empty()) << "the answer is there";
  FinishHandshake();
  EXPECT_TRUE(client_.handshake_done());
  session_.reset();  // before its signer
}

TEST_P(SigningTest, AKeyThatSignsQuicklyNeedsNobody) {
  const auto context = MakeContext(/*rsa=*/false);
  session_ = ClientSession::Accept(*context, context->Default(), &staging_, &signer_);
  Receive(client_.TakeOutput());
  FinishHandshake();
  EXPECT_TRUE(client_.handshake_done());
  EXPECT_TRUE(signer_.jobs.empty());
}

INSTANTIATE_TEST_SUITE_P(Tls, SigningTest, ::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& info) {
                           return info.param == TLS1_2_VERSION ? "Tls12" : "Tls13";
                         });

}  // namespace
}  // namespace tlsbridge::tls
