// Sessions with backends: tls/client_context.h and the client's end of tls/session.h.

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/tls/memory_client.h"
#include "tests/tls/test_certificates.h"
#include "tls/client_context.h"
#include "tls/session.h"

namespace tlsbridge::tls {
namespace {

using ::tlsbridge::testing::MakeCertificate;
using ::tlsbridge::testing::MemoryServer;
using ::tlsbridge::testing::TestCertificate;

constexpr size_t kAtOnce = 100'000;

absl::Span<const uint8_t> Bytes(const std::string& text) {
  return absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(text.data()), text.size());
}

TestCertificate Ca(const std::string& name = "backends' CA") {
  return MakeCertificate({.common_name = name, .ca = true}, nullptr);
}

class ClientSessionTest : public ::testing::TestWithParam<uint16_t> {
 protected:
  bool Tls13() const { return GetParam() == TLS1_3_VERSION; }

  ClientOptions Options(const std::string& verify_name = "orders.internal") const {
    ClientOptions options;
    options.trust.ca_pem = ca_.CertificatePem();
    options.trust.ca_name = "ca.crt";
    options.verify_name = verify_name;
    options.min_version = options.max_version = static_cast<ProtocolVersion>(GetParam());
    return options;
  }
  static std::shared_ptr<const ClientContext> Context(const ClientOptions& options) {
    auto made = ClientContext::Create(options);
    EXPECT_TRUE(made.ok()) << made.status();
    return *std::move(made);
  }
  bssl::UniquePtr<SSL_CTX> ServerWith(const TestCertificate& certificate) const {
    return MemoryServer::Context(GetParam(), certificate.certificate.get(), certificate.key.get());
  }

  // A handshake of a new session of `context` with a new server of `server`.
  void Connect(std::shared_ptr<const ClientContext> context, SSL_CTX* server,
               size_t piece = kAtOnce, const std::string& backend = "10.0.0.7:443") {
    server_ = std::make_unique<MemoryServer>(server);
    client_ = Session::Connect(std::move(context), &staging_, backend);
    received_.clear();
    verdict_ = client_->Start();
    for (int i = 0; i < 4; ++i) Exchange(piece);
  }
  // Connects to one that shows `certificate`.
  void ConnectTo(const TestCertificate& certificate, const ClientOptions& options) {
    Connect(Context(options), ServerWith(certificate).get());
  }
  // Brings what each has for the other.
  void Exchange(size_t piece = kAtOnce) {
    const std::string out(staging_.output().begin(), staging_.output().end());
    staging_.ClearOutput();
    for (size_t at = 0; at < out.size(); at += piece) server_->Receive(out.substr(at, piece));
    Deliver(server_->TakeOutput(), piece);
  }
  void Deliver(const std::string& ciphertext, size_t piece = kAtOnce) {
    for (size_t at = 0; at < ciphertext.size(); at += piece) {
      const std::string part = ciphertext.substr(at, piece);
      const Session::Received received = client_->Receive(Bytes(part));
      received_.append(received.plaintext.begin(), received.plaintext.end());
      verdict_ = received.verdict;
    }
  }
  void ExpectRefused(const std::string& detail, int alert) {
    EXPECT_FALSE(client_->handshake_done());
    EXPECT_EQ(verdict_, Verdict::kFailed);
    EXPECT_EQ(Describe(client_->failure()), detail);
    EXPECT_EQ(server_->alert_received(), alert);
  }

  const TestCertificate ca_ = Ca();
  const TestCertificate good_ =
      MakeCertificate({.common_name = "orders",
                       .alternative_names = "DNS:orders.internal,DNS:*.wild.internal,IP:10.0.0.7",
                       .extended_usage = "serverAuth"},
                      &ca_);
  Staging staging_;
  std::unique_ptr<MemoryServer> server_;
  std::unique_ptr<Session> client_;
  std::string received_;
  Verdict verdict_ = Verdict::kOk;
};

TEST_P(ClientSessionTest, StartPutsTheClientHelloIntoTheOutput) {
  client_ = Session::Connect(Context(Options()), &staging_, "b");
  EXPECT_TRUE(staging_.output().empty());
  EXPECT_EQ(client_->Start(), Verdict::kWantRead);
  ASSERT_GT(staging_.output().size(), 5u);
  EXPECT_EQ(staging_.output()[0], SSL3_RT_HANDSHAKE);
  EXPECT_FALSE(client_->handshake_done());
}

TEST_P(ClientSessionTest, AnyPieceSizeGivesTheSameBytesBothWays) {
  const auto context = Context(Options());
  const auto server = ServerWith(good_);
  const std::string question(40'000, 'q');
  const std::string answer(50'000, 'a');
  for (const size_t piece : {size_t{1}, size_t{7}, size_t{4096}, kAtOnce}) {
    Connect(context, server.get(), piece);
    ASSERT_TRUE(client_->handshake_done()) << Describe(client_->failure());
    ASSERT_TRUE(server_->handshake_done());
    ASSERT_TRUE(client_->Send(Bytes(question)));
    Exchange(piece);
    EXPECT_EQ(server_->received(), question) << "in pieces of " << piece;
    server_->Send(answer);
    Exchange(piece);
    EXPECT_EQ(received_, answer) << "in pieces of " << piece;
    server_->SendCloseNotify();
    Exchange(piece);
    EXPECT_EQ(verdict_, Verdict::kCleanEof);
  }
}

TEST_P(ClientSessionTest, TellsTheFactsOfTheHandshake) {
  ClientOptions options = Options();
  options.alpn = {"h2", "http/1.1"};
  const auto server = ServerWith(good_);
  SSL_CTX_set_alpn_select_cb(
      server.get(),
      [](SSL*, const uint8_t** out, uint8_t* out_length, const uint8_t*, unsigned, void*) {
        *out = reinterpret_cast<const uint8_t*>("h2");
        *out_length = 2;
        return SSL_TLSEXT_ERR_OK;
      },
      nullptr);
  Connect(Context(options), server.get());
  EXPECT_EQ(client_->alpn(), "h2");
  EXPECT_STREQ(client_->version(), Tls13() ? "TLSv1.3" : "TLSv1.2");
  EXPECT_NE(std::string(client_->cipher()).find("GCM"), std::string::npos);
  EXPECT_FALSE(client_->resumed());
  EXPECT_EQ(client_->server_name(), "orders.internal");
  EXPECT_STREQ(SSL_get_servername(server_->ssl(), TLSEXT_NAMETYPE_host_name), "orders.internal");
}

TEST_P(ClientSessionTest, ServerNameMayDifferFromTheNameThatIsVerified) {
  ClientOptions options = Options();
  options.server_name = "Other.internal";
  ConnectTo(good_, options);
  EXPECT_TRUE(client_->handshake_done());
  EXPECT_STREQ(SSL_get_servername(server_->ssl(), TLSEXT_NAMETYPE_host_name), "other.internal");
}

TEST_P(ClientSessionTest, AnIpAddressIsVerifiedAsOneAndSendsNoServerName) {
  ConnectTo(good_, Options("10.0.0.7"));
  EXPECT_TRUE(client_->handshake_done());
  EXPECT_EQ(SSL_get_servername(server_->ssl(), TLSEXT_NAMETYPE_host_name), nullptr);
  ConnectTo(good_, Options("10.0.0.8"));
  ExpectRefused("bad_backend_cert:wrong_name", SSL_AD_BAD_CERTIFICATE);
}

TEST_P(ClientSessionTest, AWildcardIsOneLabel) {
  ConnectTo(good_, Options("a.wild.internal"));
  EXPECT_TRUE(client_->handshake_done());
  ConnectTo(good_, Options("a.b.wild.internal"));
  ExpectRefused("bad_backend_cert:wrong_name", SSL_AD_BAD_CERTIFICATE);
}

TEST_P(ClientSessionTest, ACertificateForAnotherNameIsRefused) {
  ConnectTo(good_, Options("billing.internal"));
  ExpectRefused("bad_backend_cert:wrong_name", SSL_AD_BAD_CERTIFICATE);
}

TEST_P(ClientSessionTest, ACommonNameIsNoNameOfAHost) {
  const TestCertificate common_name_only =
      MakeCertificate({.common_name = "orders.internal", .extended_usage = "serverAuth"}, &ca_);
  ConnectTo(common_name_only, Options());
  ExpectRefused("bad_backend_cert:wrong_name", SSL_AD_BAD_CERTIFICATE);
}

TEST_P(ClientSessionTest, ACertificateOfAnotherCaIsUntrusted) {
  const TestCertificate other_ca = Ca();
  ConnectTo(
      MakeCertificate({.alternative_names = "DNS:orders.internal", .extended_usage = "serverAuth"},
                      &other_ca),
      Options());
  ExpectRefused("bad_backend_cert:untrusted", SSL_AD_UNKNOWN_CA);
}

TEST_P(ClientSessionTest, AnExpiredCertificateIsRefusedAndOneNotYetValidToo) {
  ConnectTo(MakeCertificate({.alternative_names = "DNS:orders.internal",
                             .extended_usage = "serverAuth",
                             .not_after = absl::FromUnixSeconds(1'000'000'000)},
                            &ca_),
            Options());
  ExpectRefused("bad_backend_cert:expired", SSL_AD_CERTIFICATE_EXPIRED);
  ConnectTo(MakeCertificate({.alternative_names = "DNS:orders.internal",
                             .extended_usage = "serverAuth",
                             .not_before = absl::FromUnixSeconds(4'000'000'000),
                             .not_after = absl::FromUnixSeconds(4'100'000'000)},
                            &ca_),
            Options());
  ExpectRefused("bad_backend_cert:not_yet_valid", SSL_AD_BAD_CERTIFICATE);
}

TEST_P(ClientSessionTest, AClientsCertificateIsNoBackends) {
  ConnectTo(MakeCertificate({.alternative_names = "DNS:orders.internal"}, &ca_), Options());
  ExpectRefused("bad_backend_cert:wrong_purpose", SSL_AD_UNSUPPORTED_CERTIFICATE);
}

TEST_P(ClientSessionTest, ARevokedCertificateIsRefused) {
  ClientOptions options = Options();
  options.trust.crl_pem = ca_.CrlPem({&good_});
  options.trust.crl_name = "ca.crl";
  ConnectTo(good_, options);
  ExpectRefused("bad_backend_cert:revoked", SSL_AD_CERTIFICATE_REVOKED);
}

TEST_P(ClientSessionTest, InsecureSkipVerifyTakesWhomeverAnswers) {
  ClientOptions options;
  options.insecure_skip_verify = true;
  options.min_version = options.max_version = static_cast<ProtocolVersion>(GetParam());
  ConnectTo(MakeCertificate({.not_after = absl::FromUnixSeconds(1'000'000'000)}, nullptr), options);
  EXPECT_TRUE(client_->handshake_done());
  EXPECT_EQ(client_->server_name(), "");
}

TEST_P(ClientSessionTest, ABackendThatAsksForACertificateGetsOurs) {
  const TestCertificate mine = MakeCertificate({.common_name = "tlsbridge"}, &ca_);
  KeyPair pair;
  pair.chain.push_back(bssl::UpRef(mine.certificate));
  pair.key = bssl::UpRef(mine.key);
  const auto server = ServerWith(good_);
  SSL_CTX_set_custom_verify(server.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                            [](SSL*, uint8_t*) { return ssl_verify_ok; });
  ClientOptions options = Options();
  options.certificate = &pair;
  Connect(Context(options), server.get());
  ASSERT_TRUE(server_->handshake_done());
  const bssl::UniquePtr<X509> seen(SSL_get_peer_certificate(server_->ssl()));
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(X509_cmp(seen.get(), mine.certificate.get()), 0);

  Connect(Context(Options()), server.get());
  EXPECT_EQ(verdict_, Verdict::kFailed);
  EXPECT_EQ(Describe(client_->failure()),
            Tls13() ? "backend_alert:certificate_required" : "backend_alert:handshake_failure");
}

TEST_P(ClientSessionTest, TheNextConnectionResumesAndInTls13EachSessionIsUsedOnce) {
  const auto context = Context(Options());
  const auto server = ServerWith(good_);
  SSL_CTX_set_num_tickets(server.get(), 1);
  Connect(context, server.get());
  EXPECT_FALSE(client_->resumed());
  server_->Send("x");  // with it comes the ticket of TLS 1.3
  Exchange();
  Connect(context, server.get());
  EXPECT_TRUE(client_->resumed());
  EXPECT_EQ(received_, "");
  ASSERT_TRUE(client_->Send(Bytes("question")));
  Exchange();
  EXPECT_EQ(server_->received(), "question");
  // Two at once: of TLS 1.3 there is one ticket, which the last connection brought.
  server_->Send("x");
  Exchange();
  SSL_CTX_set_num_tickets(server.get(), 0);
  Connect(context, server.get());
  EXPECT_TRUE(client_->resumed());
  Connect(context, server.get());
  EXPECT_EQ(client_->resumed(), !Tls13());
}

TEST_P(ClientSessionTest, ASessionIsOfferedOnlyToTheBackendThatGaveIt) {
  const auto context = Context(Options());
  const auto server = ServerWith(good_);
  Connect(context, server.get(), kAtOnce, "10.0.0.7:443");
  server_->Send("x");
  Exchange();
  Connect(context, server.get(), kAtOnce, "10.0.0.8:443");
  EXPECT_FALSE(client_->resumed());
  Connect(context, server.get(), kAtOnce, "10.0.0.7:443");
  EXPECT_TRUE(client_->resumed());
}

TEST_P(ClientSessionTest, ABackendThatForgotTheSessionGetsAFullHandshake) {
  const auto context = Context(Options());
  Connect(context, ServerWith(good_).get());
  server_->Send("x");
  Exchange();
  Connect(context, ServerWith(good_).get());
  EXPECT_TRUE(client_->handshake_done());
  EXPECT_FALSE(client_->resumed());
}

TEST_P(ClientSessionTest, ASessionWhoseCertificateHasExpiredIsNotResumed) {
  const auto context = Context(Options());
  // Two seconds are left when it connects first.
  const TestCertificate brief = MakeCertificate({.alternative_names = "DNS:orders.internal",
                                                 .extended_usage = "serverAuth",
                                                 .lives_for = absl::Seconds(2)},
                                                &ca_);
  const auto server = ServerWith(brief);
  Connect(context, server.get());
  ASSERT_TRUE(client_->handshake_done());
  server_->Send("x");
  Exchange();
  while (X509_cmp_current_time(X509_get0_notAfter(brief.certificate.get())) > 0) {
    std::this_thread::yield();
  }
  Connect(context, server.get());
  ExpectRefused("bad_backend_cert:expired", SSL_AD_CERTIFICATE_EXPIRED);
  // The backend has a new certificate, but would have taken the old session.
  SSL_CTX_use_certificate(server.get(), good_.certificate.get());
  SSL_CTX_use_PrivateKey(server.get(), good_.key.get());
  Connect(context, server.get());
  EXPECT_TRUE(client_->handshake_done());
  EXPECT_FALSE(client_->resumed());
}

TEST_P(ClientSessionTest, EachDirectionClosesByItself) {
  ConnectTo(good_, Options());
  client_->SendCloseNotify();
  Exchange();
  EXPECT_TRUE(server_->close_notify_received());
  server_->Send("the rest of the answer");
  server_->SendCloseNotify();
  Exchange();
  EXPECT_EQ(received_, "the rest of the answer");
  EXPECT_EQ(verdict_, Verdict::kCleanEof);
  EXPECT_EQ(client_->ReceiveEof(), Verdict::kCleanEof);
}

TEST_P(ClientSessionTest, ABackendThatEndsWithoutCloseNotifyHasTruncated) {
  ConnectTo(good_, Options());
  server_->Send("half");
  Exchange();
  EXPECT_EQ(received_, "half");
  EXPECT_EQ(client_->ReceiveEof(), Verdict::kTruncated);
}

TEST_P(ClientSessionTest, AnEofInTheHandshakeIsABackendThatHasGone) {
  for (const bool answered : {false, true}) {
    server_ = std::make_unique<MemoryServer>(ServerWith(good_).get());
    client_ = Session::Connect(Context(Options()), &staging_, "b");
    client_->Start();
    if (answered) {
      server_->Receive(std::string(staging_.output().begin(), staging_.output().end()));
      Deliver(server_->TakeOutput().substr(0, 50));
    }
    staging_.ClearOutput();
    EXPECT_EQ(client_->ReceiveEof(), Verdict::kFailed);
    EXPECT_EQ(Describe(client_->failure()), "backend_gone");
  }
}

TEST_P(ClientSessionTest, AnAlertOfTheBackendIsNamed) {
  ConnectTo(good_, Options());
  server_->SendAlert(SSL_AD_INTERNAL_ERROR);
  Exchange();
  EXPECT_EQ(verdict_, Verdict::kFailed);
  EXPECT_EQ(Describe(client_->failure()), "backend_alert:internal_error");
}

TEST_P(ClientSessionTest, ABackendWithoutOurVersionSaysSo) {
  const auto server = ServerWith(good_);
  const uint16_t other = Tls13() ? TLS1_2_VERSION : TLS1_3_VERSION;
  SSL_CTX_set_min_proto_version(server.get(), Tls13() ? TLS1_VERSION : other);
  SSL_CTX_set_max_proto_version(server.get(), other);
  Connect(Context(Options()), server.get());
  EXPECT_EQ(verdict_, Verdict::kFailed);
  EXPECT_EQ(Describe(client_->failure()), "backend_alert:protocol_version");
}

TEST_P(ClientSessionTest, ABackendThatSpeaksNoTlsIsRecognised) {
  client_ = Session::Connect(Context(Options()), &staging_, "b");
  client_->Start();
  Deliver("HTTP/1.1 400 Bad Request\r\n\r\n");
  EXPECT_EQ(verdict_, Verdict::kFailed);
  EXPECT_EQ(Describe(client_->failure()), "not_tls");
}

TEST_P(ClientSessionTest, ACorruptRecordFailsAndTheBackendReadsTheAlert) {
  ConnectTo(good_, Options());
  server_->Send("tampered with");
  std::string record = server_->TakeOutput();
  record.back() ^= 1;
  Deliver(record);
  Exchange();
  EXPECT_EQ(received_, "");
  EXPECT_EQ(Describe(client_->failure()), "bad_record");
  EXPECT_EQ(server_->alert_received(), SSL_AD_BAD_RECORD_MAC);
}

TEST_P(ClientSessionTest, AKeyUpdateIsFollowedAndAnswered) {
  if (!Tls13()) GTEST_SKIP() << "TLS 1.2 has none";
  ConnectTo(good_, Options());
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(SSL_key_update(server_->ssl(), SSL_KEY_UPDATE_REQUESTED), 1);
    server_->Send("new keys");
    Exchange();
    ASSERT_TRUE(client_->Send(Bytes("same here")));
    Exchange();
  }
  EXPECT_EQ(received_, "new keysnew keysnew keys");
  EXPECT_EQ(server_->received(), "same heresame heresame here");
}

TEST(ClientOptionsTest, SaysWhatIsWrong) {
  const TestCertificate ca = Ca();
  const auto message = [&ca](const std::function<void(ClientOptions*)>& change) {
    ClientOptions options;
    options.trust.ca_pem = ca.CertificatePem();
    options.trust.ca_name = "ca.crt";
    options.verify_name = "orders.internal";
    change(&options);
    return std::string(ClientContext::Create(options).status().message());
  };
  EXPECT_EQ(message([](ClientOptions*) {}), "");
  EXPECT_EQ(message([](ClientOptions* o) { o->verify_name = ""; }),
            "verify_name: '' is neither a DNS name nor an IP address");
  EXPECT_EQ(message([](ClientOptions* o) { o->verify_name = "*.internal"; }),
            "verify_name: '*.internal' is neither a DNS name nor an IP address");
  EXPECT_EQ(message([](ClientOptions* o) { o->server_name = "10.0.0.7"; }),
            "server_name: '10.0.0.7' is no DNS name (RFC 6066 section 3)");
  EXPECT_EQ(message([](ClientOptions* o) {
              o->alpn = {"h2", ""};
            }),
            "ALPN '' does not have 1 to 255 bytes");
  EXPECT_EQ(message([](ClientOptions* o) { o->trust.ca_pem = "rubbish"; }),
            "ca.crt: holds no PEM certificate (no BEGIN CERTIFICATE line)");
  EXPECT_EQ(message([](ClientOptions* o) {
              o->min_version = ProtocolVersion::kTls13;
              o->max_version = ProtocolVersion::kTls12;
            }),
            "min_version is newer than max_version");
}

TEST(ClientOptionsTest, WithoutCasThoseOfTheSystemAreTrustedIfThereAreAny) {
  ClientOptions options;
  options.verify_name = "orders.internal";
  const auto made = ClientContext::Create(options);
  if (TrustStore::OfSystem().ok()) {
    EXPECT_TRUE(made.ok());
  } else {
    EXPECT_EQ(made.status().message(),
              "this system has no bundle of CAs: there is none of "
              "/etc/ssl/certs/ca-certificates.crt, /etc/pki/tls/certs/ca-bundle.crt, "
              "/etc/ssl/cert.pem");
  }
}

INSTANTIATE_TEST_SUITE_P(Tls, ClientSessionTest, ::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& info) {
                           return info.param == TLS1_2_VERSION ? "Tls12" : "Tls13";
                         });

}  // namespace
}  // namespace tlsbridge::tls
