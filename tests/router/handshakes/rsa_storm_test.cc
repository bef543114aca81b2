// Beside a storm of handshakes that RSA signs for: what needs no such signature does not wait.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "router/handshakes/processor_use.h"
#include "tests/support/close_matrix.h"
#include "tests/tls/test_certificates.h"

namespace tlsbridge::testing {
namespace {

std::shared_ptr<const tls::ServerContext> MakeRsaContext() {
  CertificateShape shape;
  shape.alternative_names = "DNS:localhost";
  shape.extended_usage = "serverAuth";
  shape.rsa = true;
  TestCertificate made = MakeCertificate(shape, nullptr);
  tls::KeyPair pair;
  pair.name = "rsa.crt";
  pair.chain.push_back(std::move(made.certificate));
  pair.key = std::move(made.key);
  return *tls::ServerContext::Create(pair);
}

class RsaStorm : public CloseMatrix {
 protected:
  static constexpr size_t kStorm = 100;

  void SetUp() override {
    CloseMatrix::SetUp();
    static const auto* const rsa = new std::shared_ptr<const tls::ServerContext>(MakeRsaContext());
    route_.match.domains = {"rsa.test"};
    config_.routes.push_back(route_);
    config_.routes[1].name = "ecdsa";
    config_.routes[1].match.domains = {"ecdsa.test"};
    config_.routes.push_back(route_);
    config_.routes[2].name = "quiet";
    config_.routes[2].match.domains = {"quiet.test"};
    route_tls_ = {*rsa, TestServerContext(), *rsa};
  }
  void StartRouterWithBackends() {
    for (Route& route : config_.routes) route.backends = {{{.socket = backend_->address()}}};
    StartRouter();
  }
  std::unique_ptr<TlsPeer> ConnectTo(const std::string& name, SSL_SESSION* session = nullptr) {
    TlsPeer::Options options = Tls();
    options.server_name = name;
    options.session = session;
    options.configure = [](SSL_CTX* ctx) {
      SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT);
      SSL_CTX_sess_set_new_cb(ctx, [](SSL*, SSL_SESSION* made) {
        last_session_.reset(made);
        return 1;
      });
    };
    return ConnectTls(options);
  }
  // A session that its server will resume. With TLS 1.3 its ticket comes with the first bytes.
  bssl::UniquePtr<SSL_SESSION> SessionOf(const std::string& name) {
    last_session_.reset();
    first_ = ConnectTo(name);
    EXPECT_TRUE(Until([this] {
      first_->Step();
      if (first_backend_ != nullptr) {
        first_backend_->Step();
      } else if (first_backend_ = backend_->Accept(); first_backend_ != nullptr) {
        first_backend_->Send("!");
      }
      return last_session_ != nullptr;
    }));
    return std::move(last_session_);
  }
  // Clients whose hellos have come, and wait for signatures.
  void BeginStorm() {
    for (size_t i = 0; i < kStorm; ++i) storm_.push_back(ConnectTo("rsa.test"));
    ASSERT_TRUE(Until([this] { return live_connections() >= kStorm; }));
    loop_->Turn(/*wait=*/false);
    ASSERT_GT(manager_->handshakes().waiting(), kStorm / 2);
  }
  // Time passes as the test works: the signing thread has what is left of the processor, which may
  // be nothing.
  bool UntilInTimeOfWork(absl::FunctionRef<bool()> condition) {
    ProcessorUse use;
    use.Attach();
    absl::Duration told = use.so_far();
    return Until([&] {
      const absl::Duration worked = absl::Floor(use.so_far() - told, absl::Milliseconds(1));
      clock_.Advance(worked);
      told += worked;
      return condition();
    });
  }
  // How many of the storm wait still, when `client` has been served.
  size_t WaitingWhenServed(TlsPeer* client) {
    EXPECT_TRUE(UntilInTimeOfWork([client] { return client->Step(), client->handshake_done(); }));
    return manager_->handshakes().waiting();
  }

  static inline bssl::UniquePtr<SSL_SESSION> last_session_;
  std::unique_ptr<TlsPeer> first_;
  std::unique_ptr<Peer> first_backend_;
  std::vector<std::unique_ptr<TlsPeer>> storm_;
};

TEST_P(RsaStorm, AnEcdsaHandshakeDoesNotWaitForIt) {
  StartRouterWithBackends();
  BeginStorm();
  auto client = ConnectTo("ecdsa.test");
  EXPECT_GT(WaitingWhenServed(client.get()), kStorm / 2);
}

TEST_P(RsaStorm, AnotherRoutesSignatureIsAmongTheNext) {
  StartRouterWithBackends();
  BeginStorm();
  auto client = ConnectTo("quiet.test");
  EXPECT_GT(WaitingWhenServed(client.get()), kStorm / 2);
}

TEST_P(RsaStorm, AResumptionDoesNotWaitForIt) {
  StartRouterWithBackends();
  const bssl::UniquePtr<SSL_SESSION> session = SessionOf("rsa.test");
  BeginStorm();
  auto client = ConnectTo("rsa.test", session.get());
  EXPECT_GT(WaitingWhenServed(client.get()), kStorm / 2);
  EXPECT_TRUE(SSL_session_reused(client->ssl()));
}

// What it offers is of another program's, say: that shows when it is tried, and then it has to wait
// for its turn at the signer.
TEST_P(RsaStorm, ATicketThatIsWorthNothingIsSignedForInItsTurn) {
  StartRouterWithBackends();
  const bssl::UniquePtr<SSL_SESSION> session = SessionOf("ecdsa.test");
  BeginStorm();
  auto client = ConnectTo("quiet.test", session.get());
  EXPECT_GT(WaitingWhenServed(client.get()), kStorm / 2) << "its route's turn comes soon";
  EXPECT_FALSE(SSL_session_reused(client->ssl()));
  auto last = ConnectTo("rsa.test", session.get());
  WaitingWhenServed(last.get());
  EXPECT_FALSE(SSL_session_reused(last->ssl()));
}

TEST_P(RsaStorm, WhoHasGoneIsNotSignedFor) {
  StartRouterWithBackends();
  const bssl::UniquePtr<SSL_SESSION> session = SessionOf("ecdsa.test");
  BeginStorm();
  // With a ticket that is worth nothing its step is done; it waits for the signature alone.
  std::vector<std::unique_ptr<TlsPeer>> leavers;
  for (int i = 0; i < 10; ++i) leavers.push_back(ConnectTo("rsa.test", session.get()));
  ASSERT_TRUE(Until([&] { return manager_->handshakes().begun() > kStorm / 10; }));
  for (auto& leaver : leavers) leaver->socket().Close();
  for (auto& client : storm_) client->socket().Reset();
  ASSERT_TRUE(UntilWithTime([this] { return live_connections() <= 1; }));
  EXPECT_EQ(handshake_limit_->waiting(), 0);
}

TLSBRIDGE_FOR_BOTH_TLS_VERSIONS(RsaStorm);

}  // namespace
}  // namespace tlsbridge::testing
