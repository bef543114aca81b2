// A session that cannot write, at whichever record, takes nothing but its own connection with it:
// what it had written already never leaves with another session's records.
//
// The program is linked so that BoringSSL's own calls of BIO_write() come here.

#include <openssl/bio.h>

#include <memory>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "tests/support/router_fixture.h"
#include "tests/tls/test_certificates.h"
#include "tls/backend_context.h"

namespace {

int g_fails_at = 0;  // 1: the next call fails, and all behind it; 0: none

}  // namespace

extern "C" int __real_BIO_write(BIO* bio, const void* data, int length);

extern "C" int __wrap_BIO_write(BIO* bio, const void* data, int length) {
  if (g_fails_at == 1) return -1;
  if (g_fails_at > 1) --g_fails_at;
  return __real_BIO_write(bio, data, length);
}

namespace tlsbridge::testing {
namespace {

class EncryptionFailure : public RouterFixture, public ::testing::WithParamInterface<int> {
 protected:
  // While sessions fail to write from their GetParam()th record on.
  void TurnWithoutWriting() {
    g_fails_at = GetParam();
    for (int i = 0; i < 3; ++i) loop_->Turn(/*wait=*/false);
    failed_ = std::exchange(g_fails_at, 0) == 1;
  }

  // Another client of the same worker, which is served by `backend_`.
  void ExpectAnotherIsServed() {
    backend_peer_.reset();
    ConnectThrough();
    backend_peer_->Send("all that is its own");
    client_->Send("likewise");
    ASSERT_TRUE(Until([this] {
      return client_->received().size() >= 19 && backend_peer_->received().size() >= 8;
    }));
    Settle();
    EXPECT_EQ(client_->received(), "all that is its own");
    EXPECT_EQ(client_->alert_received(), -1);
    EXPECT_EQ(backend_peer_->received(), "likewise");
  }

  bool failed_ = false;
};

TEST_P(EncryptionFailure, OfAClientsSessionEndsItsConnectionOnly) {
  StartRouter();
  ConnectThrough();
  const std::unique_ptr<TlsPeer> neighbour = std::move(client_);
  const std::unique_ptr<Peer> neighbours_backend = std::move(backend_peer_);
  ConnectThrough();
  backend_peer_->Send(std::string(40'000, 's'));  // three records
  TurnWithoutWriting();
  ASSERT_TRUE(failed_);
  neighbours_backend->Send("for the neighbour");
  ASSERT_TRUE(Until([&] {
    neighbour->Step();
    return client_->end() != StreamEnd::kOpen && backend_peer_->end() != StreamEnd::kOpen &&
           neighbour->received().size() >= 17;
  }));
  Advance(route_.bridge.grace);
  EXPECT_EQ(Ended(TerminationReason::kTlsError), 1u);
  EXPECT_EQ(neighbour->received(), "for the neighbour");
  EXPECT_EQ(neighbour->alert_received(), -1);
  EXPECT_EQ(client_->received(), "");
  ExpectAnotherIsServed();
}

TEST_P(EncryptionFailure, OfABackendsSessionEndsItsConnectionOnly) {
  const TestCertificate ca = MakeCertificate({.common_name = "ca", .ca = true}, nullptr);
  const TestCertificate good = MakeCertificate({.common_name = "orders.internal",
                                                .alternative_names = "DNS:orders.internal",
                                                .extended_usage = "serverAuth"},
                                               &ca);
  tls::BackendOptions options;
  options.trust.ca_pem = ca.CertificatePem();
  options.verify_name = "orders.internal";
  backend_tls_ = *tls::BackendContext::Create(options);
  route_.tls_mode = TlsMode::kTerminateAndReencrypt;
  StartRouter();
  std::unique_ptr<TlsPeer> tls_backend;
  const auto connect = [&] {
    client_ = ConnectTls();
    std::unique_ptr<Peer> accepted;
    ASSERT_TRUE(Until([&] {
      if (accepted == nullptr) accepted = backend_->Accept();
      return accepted != nullptr && client_->handshake_done();
    }));
    tls_backend = std::make_unique<TlsPeer>(
        std::move(accepted),
        TlsPeer::Options{.certificate = good.certificate.get(), .key = good.key.get()});
    ASSERT_TRUE(Until([&] { return tls_backend->Step(), tls_backend->handshake_done(); }));
    for (int i = 0; i < 10; ++i) tls_backend->Step(), Settle();
  };
  ASSERT_NO_FATAL_FAILURE(connect());
  client_->Send(std::string(40'000, 's'));
  TurnWithoutWriting();
  ASSERT_TRUE(failed_);
  ASSERT_TRUE(Until([&] {
    tls_backend->Step();
    return client_->end() != StreamEnd::kOpen && tls_backend->end() != StreamEnd::kOpen;
  }));
  Advance(route_.bridge.grace);
  EXPECT_EQ(Ended(TerminationReason::kBackendTlsError), 1u);
  EXPECT_EQ(tls_backend->received(), "");
  ASSERT_NO_FATAL_FAILURE(connect());
  client_->Send("all that is its own");
  ASSERT_TRUE(Until([&] { return tls_backend->Step(), tls_backend->received().size() >= 19; }));
  EXPECT_EQ(tls_backend->received(), "all that is its own");
}

INSTANTIATE_TEST_SUITE_P(AtRecord, EncryptionFailure, ::testing::Values(1, 2, 3),
                         ::testing::PrintToStringParamName());

}  // namespace
}  // namespace tlsbridge::testing
