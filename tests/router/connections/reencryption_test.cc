// TLS on both sides, with real sockets: whom we speak to, and how each end reaches the other side.

#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/close_matrix.h"
#include "tests/tls/test_certificates.h"
#include "tls/backend_context.h"
#include "tls/certificates/development_ca.h"
#include "tls/server_context.h"

namespace tlsbridge::testing {
namespace {

using Reason = TerminationReason;

class Reencryption : public CloseMatrix {
 protected:
  TestCertificate Certificate(const std::string& name) const {
    return MakeCertificate(
        {.common_name = name, .alternative_names = "DNS:" + name, .extended_usage = "serverAuth"},
        &ca_);
  }
  void SetUp() override {
    CloseMatrix::SetUp();
    auto context = tls::BackendContext::Create(BackendOptions());
    ASSERT_TRUE(context.ok()) << context.status();
    backend_tls_ = *std::move(context);
    route_.tls_mode = TlsMode::kTerminateAndReencrypt;
  }
  // A client, and a backend with that certificate that has answered our hello.
  void ConnectTo(const TestCertificate& certificate) {
    StartRouter();
    client_ = ConnectTls();
    ASSERT_TRUE(Until([this] {
      if (auto peer = backend_->Accept(); peer != nullptr) accepted_ = std::move(peer);
      return accepted_ != nullptr && client_->handshake_done();
    }));
    tls_backend_ = std::make_unique<TlsPeer>(
        std::move(accepted_), TlsPeer::Options{.version = GetParam(),
                                               .certificate = certificate.certificate.get(),
                                               .key = certificate.key.get()});
  }
  void ConnectToGood() {
    ASSERT_NO_FATAL_FAILURE(ConnectTo(good_));
    ASSERT_TRUE(UntilBackend([this] { return tls_backend_->handshake_done(); }));
    Settle();
  }
  // What is spoken with clients, and may be with backends.
  void UseAlpn(const std::vector<std::string>& protocols) {
    tls::ServerOptions server;
    tls::Certificate certificate;
    certificate.pair = std::move(tls::MakeDevelopmentIdentity(absl::UnixEpoch())->localhost);
    server.certificates.push_back(tls::MakeCredential(certificate).value());
    server.alpn = protocols;
    auto context = tls::ServerContext::Create(server);
    ASSERT_TRUE(context.ok()) << context.status();
    tls_ = *std::move(context);
    tls::BackendOptions backend = BackendOptions();
    backend.alpn = protocols;
    backend_tls_ = *tls::BackendContext::Create(backend);
  }
  tls::BackendOptions BackendOptions() const {
    tls::BackendOptions options;
    options.trust.ca_pem = ca_.CertificatePem();
    options.verify_name = "orders.internal";
    return options;
  }
  bool UntilBackend(absl::FunctionRef<bool()> condition) {
    return UntilWithTime([&] { return tls_backend_->Step(), condition(); });
  }
  // The client gets an alert and no end that looks complete; the backend got no byte of it.
  void ExpectRefused(const std::string& detail, int alert) {
    client_->Send("secret");
    ASSERT_TRUE(UntilBackend([this] { return client_->end() != StreamEnd::kOpen; }));
    EXPECT_FALSE(client_->close_notify_received());
    EXPECT_EQ(client_->alert_received(), SSL_AD_INTERNAL_ERROR);
    client_->socket().Fin();
    ASSERT_TRUE(UntilBackend([this] { return live_connections() == 0; }));
    EXPECT_EQ(tls_backend_->alert_received(), alert);
    EXPECT_EQ(tls_backend_->received(), "");
    const auto reason = Reason::kBackendTlsFailed;
    ExpectEnd({reason, reason, reason, "", detail, /*dropped=*/true});
  }

  const TestCertificate ca_ = MakeCertificate({.common_name = "ca", .ca = true}, nullptr);
  const TestCertificate good_ = Certificate("orders.internal");
  std::unique_ptr<Peer> accepted_;
  std::unique_ptr<TlsPeer> tls_backend_;
};

// What half-closed connections do, which TLS 1.2 does not know.
class ReencryptionHalfClosed : public Reencryption {};
// What TLS 1.2 does instead.
class ReencryptionAtOnce : public Reencryption {};

TEST_P(Reencryption, BytesGoBothWays) {
  ASSERT_NO_FATAL_FAILURE(ConnectToGood());
  const std::string question(200'000, 'q');
  const std::string answer(300'000, 'a');
  client_->Send(question);
  tls_backend_->Send(answer);
  ASSERT_TRUE(UntilBackend(
      [&] { return tls_backend_->received() == question && client_->received() == answer; }));
}

// Two handshakes, one protocol.
TEST_P(Reencryption, ABackendIsOfferedWhatTheClientAgreedOnAndTheLogTellsWhatItTook) {
  const std::string wire = "\x02h2\x08http/1.1";
  const auto offer = [](const std::string& protocols) {
    return [protocols](SSL_CTX* ctx) {
      SSL_CTX_set_alpn_protos(ctx, reinterpret_cast<const uint8_t*>(protocols.data()),
                              static_cast<unsigned>(protocols.size()));
    };
  };
  const auto take = [&wire](SSL_CTX* ctx) {
    SSL_CTX_set_alpn_select_cb(
        ctx,
        [](SSL*, const uint8_t** out, uint8_t* out_length, const uint8_t* in, unsigned length,
           void* list) {
          const auto* ours = static_cast<const std::string*>(list);
          SSL_select_next_proto(const_cast<uint8_t**>(out), out_length,
                                reinterpret_cast<const uint8_t*>(ours->data()),
                                static_cast<unsigned>(ours->size()), in, length);
          return SSL_TLSEXT_ERR_OK;
        },
        const_cast<std::string*>(&wire));
  };
  UseAlpn({"h2", "http/1.1"});
  StartRouter();
  const struct {
    std::string offered;
    std::string agreed;
  } cases[] = {{"\x08http/1.1", "http/1.1"}, {"\x02h2", "h2"}, {wire, "h2"}, {"", ""}};
  for (const auto& [offered, agreed] : cases) {
    TlsPeer::Options options = Tls();
    if (!offered.empty()) options.configure = offer(offered);
    client_ = ConnectTls(options);
    accepted_.reset();
    ASSERT_TRUE(Until([this] { return (accepted_ = backend_->Accept()) != nullptr; }));
    tls_backend_ = std::make_unique<TlsPeer>(
        std::move(accepted_), TlsPeer::Options{.version = GetParam(),
                                               .configure = take,
                                               .certificate = good_.certificate.get(),
                                               .key = good_.key.get()});
    ASSERT_TRUE(UntilBackend([this] { return tls_backend_->handshake_done(); }));
    const uint8_t* taken = nullptr;
    unsigned length = 0;
    SSL_get0_alpn_selected(tls_backend_->ssl(), &taken, &length);
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(taken), length), agreed);
    client_->Send("bye");
    client_->SendCloseNotify();
    ASSERT_TRUE(UntilBackend([this] { return tls_backend_->close_notify_received(); }));
    tls_backend_->SendCloseNotify();
    tls_backend_->socket().Fin();
    ASSERT_TRUE(UntilBackend([this] { return client_->end() != StreamEnd::kOpen; }));
    client_->socket().Close();
    ASSERT_TRUE(UntilBackend([this] { return live_connections() == 0; }));
    const auto ends = log_.Events("connection_end");
    ASSERT_FALSE(ends.empty());
    EXPECT_EQ(ends.back().value("alpn", ""), agreed);
    EXPECT_EQ(ends.back().value("backend_alpn", ""), agreed);
  }
}

TEST_P(Reencryption, ABackendOfAnotherNameGetsNothing) {
  const TestCertificate other = Certificate("billing.internal");
  ASSERT_NO_FATAL_FAILURE(ConnectTo(other));
  ExpectRefused("bad_backend_cert:wrong_name", SSL_AD_BAD_CERTIFICATE);
}

TEST_P(Reencryption, ABackendOfAnotherCaGetsNothing) {
  const TestCertificate self = MakeCertificate({.common_name = "orders.internal",
                                                .alternative_names = "DNS:orders.internal",
                                                .extended_usage = "serverAuth"},
                                               nullptr);
  ASSERT_NO_FATAL_FAILURE(ConnectTo(self));
  ExpectRefused("bad_backend_cert:untrusted", SSL_AD_UNKNOWN_CA);
}

TEST_P(Reencryption, TheNextBackendStandsInForOneThatIsNotTrusted) {
  ListeningPeer other;
  route_.backends.push_back({{.socket = other.address()}});
  route_.backends.push_back({{.socket = backend_->address()}});
  StartRouter();
  client_ = ConnectTls();
  ASSERT_TRUE(Until([&] { return (accepted_ = other.Accept()) != nullptr; }));
  const TestCertificate billing = Certificate("billing.internal");
  TlsPeer refused(
      std::move(accepted_),
      {.version = GetParam(), .certificate = billing.certificate.get(), .key = billing.key.get()});
  ASSERT_TRUE(Until([&] { return refused.Step(), (accepted_ = backend_->Accept()) != nullptr; }));
  tls_backend_ = std::make_unique<TlsPeer>(
      std::move(accepted_),
      TlsPeer::Options{
          .version = GetParam(), .certificate = good_.certificate.get(), .key = good_.key.get()});
  client_->Send("hello");
  ASSERT_TRUE(UntilBackend([this] { return tls_backend_->received() == "hello"; }));
}

TEST_P(Reencryption, TheClientEndsFirstAndGetsTheWholeAnswer) {
  ASSERT_NO_FATAL_FAILURE(ConnectToGood());
  client_->Send("question");
  client_->SendCloseNotify();
  ASSERT_TRUE(UntilBackend([this] { return tls_backend_->end() == StreamEnd::kFin; }));
  EXPECT_TRUE(tls_backend_->close_notify_received());
  EXPECT_EQ(tls_backend_->received(), "question");
  const std::string answer(300'000, 'a');
  tls_backend_->Send(answer);
  tls_backend_->SendCloseNotify();
  tls_backend_->socket().Fin();
  ASSERT_TRUE(UntilBackend([this] { return client_->end() != StreamEnd::kOpen; }));
  EXPECT_TRUE(client_->close_notify_received());
  EXPECT_EQ(client_->received(), answer);
  client_->socket().Close();
  ASSERT_TRUE(AllEnded());
  ExpectEnd({Reason::kClosedIncoming, Reason::kNormal, Reason::kSocketEnd, "", ""});
}

TEST_P(ReencryptionHalfClosed, TheBackendEndsFirstAndGetsTheRestOfTheUpload) {
  ASSERT_NO_FATAL_FAILURE(ConnectToGood());
  tls_backend_->Send("answer");
  tls_backend_->SendCloseNotify();
  ASSERT_TRUE(UntilBackend([this] { return client_->close_notify_received(); }));
  EXPECT_EQ(client_->received(), "answer");
  const std::string rest(300'000, 'r');
  client_->Send(rest);
  client_->SendCloseNotify();
  client_->socket().Fin();
  ASSERT_TRUE(UntilBackend([this] { return tls_backend_->close_notify_received(); }));
  EXPECT_EQ(tls_backend_->received(), rest);
  tls_backend_->socket().Fin();
  ASSERT_TRUE(UntilBackend([this] { return live_connections() == 0; }));
  ExpectEnd({Reason::kClosedOutgoing, Reason::kProxyEnd, Reason::kProxyEnd, "", ""});
}

TEST_P(ReencryptionAtOnce, TheBackendEndsFirstAndIsAnswered) {
  ASSERT_NO_FATAL_FAILURE(ConnectToGood());
  client_->Send("the last that it gets");
  ASSERT_TRUE(UntilBackend([this] { return !tls_backend_->received().empty(); }));
  tls_backend_->Send("answer");
  tls_backend_->SendCloseNotify();
  ASSERT_TRUE(UntilBackend([this] { return tls_backend_->close_notify_received(); }));
  EXPECT_EQ(tls_backend_->received(), "the last that it gets");
  ASSERT_TRUE(UntilBackend([this] { return client_->close_notify_received(); }));
  EXPECT_EQ(client_->received(), "answer");
  client_->SendCloseNotify();
  client_->socket().Fin();
  tls_backend_->socket().Fin();
  ASSERT_TRUE(UntilBackend([this] { return live_connections() == 0; }));
  ExpectEnd({Reason::kClosedOutgoing, Reason::kProxyEnd, Reason::kProxyEnd, "", ""});
}

TEST_P(Reencryption, ABackendThatIsCutOffLooksCompleteToNobody) {
  ASSERT_NO_FATAL_FAILURE(ConnectToGood());
  tls_backend_->Send("half an ans");
  tls_backend_->socket().Fin();
  ASSERT_TRUE(UntilBackend([this] { return client_->end() != StreamEnd::kOpen; }));
  EXPECT_EQ(client_->received(), "half an ans");
  EXPECT_FALSE(client_->close_notify_received());
  EXPECT_EQ(client_->end(), StreamEnd::kReset);
  ASSERT_TRUE(UntilBackend([this] { return live_connections() == 0; }));
  ExpectEnd(EndedAs::Both(Reason::kBackendTruncated));
}

// Each side has its own setting: what is allowed to one is not allowed to the other.
TEST_P(Reencryption, ABackendThatIsCutOffLooksCompleteToNobodyThoughClientsMayBe) {
  route_.bridge.accept_truncation = true;
  ASSERT_NO_FATAL_FAILURE(ConnectToGood());
  tls_backend_->Send("half an ans");
  tls_backend_->socket().Fin();
  ASSERT_TRUE(UntilBackend([this] { return client_->end() != StreamEnd::kOpen; }));
  EXPECT_EQ(client_->received(), "half an ans");
  EXPECT_FALSE(client_->close_notify_received());
  EXPECT_EQ(client_->end(), StreamEnd::kReset);
  ASSERT_TRUE(UntilBackend([this] { return live_connections() == 0; }));
  ExpectEnd(EndedAs::Both(Reason::kBackendTruncated));
}

TEST_P(Reencryption, ABackendMayEndWithoutCloseNotifyWhereThatIsAllowed) {
  route_.bridge.accept_backend_truncation = true;
  ASSERT_NO_FATAL_FAILURE(ConnectToGood());
  tls_backend_->Send("all of it");
  tls_backend_->socket().Fin();
  ASSERT_TRUE(UntilBackend([this] { return client_->end() != StreamEnd::kOpen; }));
  EXPECT_EQ(client_->received(), "all of it");
  EXPECT_TRUE(client_->close_notify_received());
  client_->SendCloseNotify();
  client_->socket().Fin();
  ASSERT_TRUE(UntilBackend([this] { return live_connections() == 0; }));
  ExpectEnd({Reason::kClosedOutgoing, Reason::kProxyEnd, Reason::kProxyEnd, "", ""});
}

TEST_P(Reencryption, AClientThatIsCutOffLooksCompleteToNobodyThoughBackendsMayBe) {
  route_.bridge.accept_backend_truncation = true;
  ASSERT_NO_FATAL_FAILURE(ConnectToGood());
  client_->Send("half a requ");
  client_->socket().Fin();
  ASSERT_TRUE(UntilBackend([this] { return tls_backend_->end() != StreamEnd::kOpen; }));
  EXPECT_EQ(tls_backend_->received(), "half a requ");
  EXPECT_FALSE(tls_backend_->close_notify_received());
  EXPECT_EQ(tls_backend_->end(), StreamEnd::kReset);
  ASSERT_TRUE(UntilBackend([this] { return live_connections() == 0; }));
  ExpectEnd(EndedAs::Both(Reason::kTruncated));
}

TEST_P(Reencryption, AClientThatIsCutOffLooksCompleteToNobody) {
  ASSERT_NO_FATAL_FAILURE(ConnectToGood());
  client_->Send("half a requ");
  client_->socket().Fin();
  ASSERT_TRUE(UntilBackend([this] { return tls_backend_->end() != StreamEnd::kOpen; }));
  EXPECT_EQ(tls_backend_->received(), "half a requ");
  EXPECT_FALSE(tls_backend_->close_notify_received());
  ASSERT_TRUE(UntilBackend([this] { return live_connections() == 0; }));
  ExpectEnd(EndedAs::Both(Reason::kTruncated));
}

TEST_P(Reencryption, ABackendThatNeverShakesHandsIsGivenUp) {
  StartRouter();
  client_ = ConnectTls();
  ASSERT_TRUE(Until([this] { return (accepted_ = backend_->Accept()) != nullptr; }));
  Settle();
  Advance(route_.timeouts.connect);
  ASSERT_TRUE(ClientEnded());
  EXPECT_EQ(client_->alert_received(), SSL_AD_INTERNAL_ERROR);
  client_->socket().Fin();
  ASSERT_TRUE(AllEnded());
  ExpectEnd(EndedAs::Both(Reason::kConnectTimeout));
}

TLSBRIDGE_FOR_BOTH_TLS_VERSIONS(Reencryption);
TLSBRIDGE_FOR_TLS13(ReencryptionHalfClosed);
TLSBRIDGE_FOR_TLS12(ReencryptionAtOnce);

}  // namespace
}  // namespace tlsbridge::testing
