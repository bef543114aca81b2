// A session with a backend, and the backend, joined in memory.
//
// Thread: the test's. Failure: gtest's.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "tests/tls/memory_client.h"
#include "tests/tls/test_certificates.h"
#include "tls/backend_context.h"
#include "tls/backend_session.h"

namespace tlsbridge::tls {

inline constexpr size_t kAtOnce = 100'000;

inline absl::Span<const uint8_t> Bytes(const std::string& text) {
  return absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(text.data()), text.size());
}

inline testing::TestCertificate Ca(const std::string& name = "backends' CA") {
  return testing::MakeCertificate({.common_name = name, .ca = true}, nullptr);
}

class BackendSessionFixture : public ::testing::TestWithParam<uint16_t> {
 protected:
  bool Tls13() const { return GetParam() == TLS1_3_VERSION; }

  BackendOptions Options(const std::string& verify_name = "orders.internal") const {
    BackendOptions options;
    options.trust.ca_pem = ca_.CertificatePem();
    options.trust.ca_name = "ca.crt";
    options.verify_name = verify_name;
    options.min_version = options.max_version = static_cast<ProtocolVersion>(GetParam());
    return options;
  }
  static std::shared_ptr<const BackendContext> Context(const BackendOptions& options) {
    auto made = BackendContext::Create(options);
    EXPECT_TRUE(made.ok()) << made.status();
    return *std::move(made);
  }
  bssl::UniquePtr<SSL_CTX> BackendWith(const testing::TestCertificate& certificate) const {
    return testing::MemoryServer::Context(GetParam(), certificate.certificate.get(),
                                          certificate.key.get());
  }

  // A handshake of a new session of `context` with a new server of `server`.
  void Connect(std::shared_ptr<const BackendContext> context, SSL_CTX* server,
               size_t piece = kAtOnce, const std::string& backend = "10.0.0.7:443",
               const std::string& alpn = "") {
    backend_ = std::make_unique<testing::MemoryServer>(server);
    session_ = BackendSession::Connect(std::move(context), &staging_, backend, alpn);
    received_.clear();
    TakeOutput();
    for_backend_.clear();
    verdict_ = session_->Start();
    for (int i = 0; i < 4; ++i) Exchange(piece);
  }
  // Connects to one that shows `certificate`.
  void ConnectTo(const testing::TestCertificate& certificate, const BackendOptions& options) {
    Connect(Context(options), BackendWith(certificate).get());
  }
  // Brings what each has for the other.
  void Exchange(size_t piece = kAtOnce) {
    TakeOutput();
    const std::string out = std::exchange(for_backend_, {});
    for (size_t at = 0; at < out.size(); at += piece) backend_->Receive(out.substr(at, piece));
    Deliver(backend_->TakeOutput(), piece);
  }
  // As after each call.
  void TakeOutput() {
    for_backend_.append(staging_.output().begin(), staging_.output().end());
    staging_.ClearOutput();
  }
  void Deliver(const std::string& ciphertext, size_t piece = kAtOnce) {
    for (size_t at = 0; at < ciphertext.size(); at += piece) {
      TakeOutput();
      const std::string part = ciphertext.substr(at, piece);
      const Session::Received received = session_->Receive(Bytes(part));
      received_.append(received.plaintext.begin(), received.plaintext.end());
      verdict_ = received.verdict;
    }
  }
  void ExpectRefused(const std::string& detail, int alert) {
    EXPECT_FALSE(session_->handshake_done());
    EXPECT_EQ(verdict_, Verdict::kFailed);
    EXPECT_EQ(Describe(session_->failure()), detail);
    EXPECT_EQ(backend_->alert_received(), alert);
  }

  const testing::TestCertificate ca_ = Ca();
  const testing::TestCertificate good_ = testing::MakeCertificate(
      {.common_name = "orders",
       .alternative_names = "DNS:orders.internal,DNS:*.wild.internal,IP:10.0.0.7",
       .extended_usage = "serverAuth"},
      &ca_);
  Staging staging_;
  std::unique_ptr<testing::MemoryServer> backend_;
  std::unique_ptr<Session> session_;
  std::string for_backend_;
  std::string received_;
  Verdict verdict_ = Verdict::kOk;
};

inline std::string NameOfVersion(const ::testing::TestParamInfo<uint16_t>& info) {
  return info.param == TLS1_2_VERSION ? "Tls12" : "Tls13";
}

}  // namespace tlsbridge::tls
