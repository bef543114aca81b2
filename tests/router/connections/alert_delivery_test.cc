// Every alert reaches its client, before the FIN, and no RST destroys it: not even where the client
// sends much more behind what it is refused for, which nobody will read (RFC 5246 section 7.2, RFC
// 8446 section 6).

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/close_matrix.h"
#include "tests/tls/test_certificates.h"
#include "tls/certificates/certificate.h"
#include "tls/certificates/key_pair.h"
#include "tls/server_context.h"

namespace tlsbridge::testing {
namespace {

using Reason = TerminationReason;

// More than both kernels hold together.
constexpr size_t kUnreadBytes = 8'000'000;

const TestCertificate& Authority() {
  static const auto* const made =
      new TestCertificate(MakeCertificate({.common_name = "clients", .ca = true}, nullptr));
  return *made;
}

// One way to fail a handshake.
struct Failing {
  const char* name;
  const char* detail;      // as logged
  int alert;               // what the client reads
  int alert_of_tls12 = 0;  // where TLS 1.2 has another
  // The flight that is refused: the first, or the one that answers the server's.
  bool in_second_flight = false;
  uint16_t only_version = 0;
  std::function<void(tls::ServerOptions*)> server = [](tls::ServerOptions*) {};
  std::function<void(SSL_CTX*)> client = [](SSL_CTX*) {};
  // What it does to the flight that is refused.
  std::function<void(std::string*)> tamper = nullptr;
  const char* server_name = "localhost";
};

std::function<void(SSL_CTX*)> Present(const CertificateShape& shape,
                                      const TestCertificate* issuer) {
  const auto made = std::make_shared<TestCertificate>(MakeCertificate(shape, issuer));
  return [made](SSL_CTX* ctx) {
    SSL_CTX_use_certificate(ctx, made->certificate.get());
    SSL_CTX_use_PrivateKey(ctx, made->key.get());
  };
}

void RequireCertificate(tls::ServerOptions* options) {
  options->clients.mode = tls::ClientCertificates::kRequired;
  options->clients.ca_pem = Authority().CertificatePem();
}

void AllowNobody(tls::ServerOptions* options) {
  RequireCertificate(options);
  options->clients.allow = {"cn:somebody else"};
}

const TestCertificate& Revoked() {
  static const auto* const made = new TestCertificate(MakeCertificate({}, &Authority()));
  return *made;
}

void Revoke(tls::ServerOptions* options) {
  RequireCertificate(options);
  options->clients.crl_pem = Authority().CrlPem({&Revoked()});
}

const std::vector<Failing>& AllWaysToFail() {
  static const auto* const ways = new std::vector<Failing>{
      {.name = "NoSharedVersion",
       .detail = "no_shared_version",
       .alert = SSL_AD_PROTOCOL_VERSION,
       .client =
           [](SSL_CTX* ctx) {
             SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
             SSL_CTX_set_max_proto_version(ctx, TLS1_1_VERSION);
           }},
      {.name = "NoSharedCipher",
       .detail = "no_shared_cipher",
       .alert = SSL_AD_HANDSHAKE_FAILURE,
       .only_version = TLS1_2_VERSION,
       .client = [](SSL_CTX* ctx) { SSL_CTX_set_cipher_list(ctx, "AES128-SHA"); }},
      {.name = "NoSharedGroup",
       .detail = "no_shared_group",
       .alert = SSL_AD_HANDSHAKE_FAILURE,
       .only_version = TLS1_3_VERSION,
       .client = [](SSL_CTX* ctx) { SSL_CTX_set1_groups_list(ctx, "P-521"); }},
      {.name = "NoSharedSignature",
       .detail = "no_shared_signature",
       .alert = SSL_AD_HANDSHAKE_FAILURE,
       .client =
           [](SSL_CTX* ctx) {
             const uint16_t ed25519 = SSL_SIGN_ED25519;
             SSL_CTX_set_verify_algorithm_prefs(ctx, &ed25519, 1);
           }},
      {.name = "NoSharedAlpn",
       .detail = "no_shared_alpn",
       .alert = SSL_AD_NO_APPLICATION_PROTOCOL,
       .server = [](tls::ServerOptions* options) { options->alpn = {"h2"}; },
       .client =
           [](SSL_CTX* ctx) {
             SSL_CTX_set_alpn_protos(ctx, reinterpret_cast<const uint8_t*>("\6spdy/3"), 7);
           }},
      {.name = "UnknownSni",
       .detail = "unknown_sni",
       .alert = SSL_AD_UNRECOGNIZED_NAME,
       .server = [](tls::ServerOptions* options) { options->refuse_unknown_sni = true; },
       .server_name = "elsewhere.internal"},
      {.name = "MalformedHello",
       .detail = "protocol_error",
       .alert = SSL_AD_DECODE_ERROR,
       // The length of the session id: more than there may be.
       .tamper = [](std::string* flight) { flight->at(5 + 4 + 2 + 32) = '\xff'; }},
      {.name = "HelloThatIsNoHello",
       .detail = "protocol_error",
       .alert = SSL_AD_UNEXPECTED_MESSAGE,
       .tamper = [](std::string* flight) { flight->at(5) = '\x02'; }},
      {.name = "NotTls",
       .detail = "not_tls",
       .alert = SSL_AD_PROTOCOL_VERSION,
       .tamper = [](std::string* flight) { flight->assign(flight->size(), '\xff'); }},
      {.name = "RecordAboveTheLimit",
       .detail = "bad_record",
       .alert = SSL_AD_RECORD_OVERFLOW,
       .tamper = [](std::string* flight) { flight->replace(3, 2, "\xff\xff"); }},
      {.name = "CorruptFinished",
       .detail = "bad_record",
       .alert = SSL_AD_BAD_RECORD_MAC,
       .in_second_flight = true,
       .tamper = [](std::string* flight) { flight->back() ^= 1; }},
      {.name = "NoCertificate",
       .detail = "no_client_cert",
       .alert = SSL_AD_CERTIFICATE_REQUIRED,
       .alert_of_tls12 = SSL_AD_HANDSHAKE_FAILURE,
       .in_second_flight = true,
       .server = &RequireCertificate},
      {.name = "UntrustedCertificate",
       .detail = "bad_client_cert:untrusted",
       .alert = SSL_AD_UNKNOWN_CA,
       .in_second_flight = true,
       .server = &RequireCertificate,
       .client = Present({}, nullptr)},
      {.name = "ExpiredCertificate",
       .detail = "bad_client_cert:expired",
       .alert = SSL_AD_CERTIFICATE_EXPIRED,
       .in_second_flight = true,
       .server = &RequireCertificate,
       .client = Present({.not_after = absl::FromUnixSeconds(1'000'000'000)}, &Authority())},
      {.name = "CertificateNotYetValid",
       .detail = "bad_client_cert:not_yet_valid",
       .alert = SSL_AD_BAD_CERTIFICATE,
       .in_second_flight = true,
       .server = &RequireCertificate,
       .client = Present({.not_before = absl::FromUnixSeconds(4'000'000'000),
                          .not_after = absl::FromUnixSeconds(4'100'000'000)},
                         &Authority())},
      {.name = "CertificateForServersOnly",
       .detail = "bad_client_cert:wrong_purpose",
       .alert = SSL_AD_UNSUPPORTED_CERTIFICATE,
       .in_second_flight = true,
       .server = &RequireCertificate,
       .client = Present({.extended_usage = "serverAuth"}, &Authority())},
      {.name = "CertificateThatNoRuleAllows",
       .detail = "bad_client_cert:not_allowed",
       .alert = SSL_AD_ACCESS_DENIED,
       .in_second_flight = true,
       .server = &AllowNobody,
       .client = Present({}, &Authority())},
      {.name = "RevokedCertificate",
       .detail = "bad_client_cert:revoked",
       .alert = SSL_AD_CERTIFICATE_REVOKED,
       .in_second_flight = true,
       .server = &Revoke,
       .client =
           [](SSL_CTX* ctx) {
             SSL_CTX_use_certificate(ctx, Revoked().certificate.get());
             SSL_CTX_use_PrivateKey(ctx, Revoked().key.get());
           }},
  };
  return *ways;
}

class AlertDelivery : public RouterFixture,
                      public ::testing::WithParamInterface<std::tuple<uint16_t, size_t, bool>> {
 protected:
  uint16_t version() const { return std::get<0>(GetParam()); }
  const Failing& way() const { return AllWaysToFail()[std::get<1>(GetParam())]; }
  bool sends_much_more() const { return std::get<2>(GetParam()); }

  LogCapture log_;
};

// What it has to say next, changed and sent at once, with `more` behind it.
void SendFlight(TlsPeer* client, const std::function<void(std::string*)>& tamper,
                const std::string& more) {
  std::string flight = client->TakeHeldBack();
  ASSERT_NE(flight, "");
  if (tamper) tamper(&flight);
  client->socket().Send(flight + more);
}

TEST_P(AlertDelivery, TheClientReadsTheAlertBeforeTheFin) {
  if (way().only_version != 0 && way().only_version != version()) GTEST_SKIP();
  tls::ServerOptions server;
  const TestCertificate certificate =
      MakeCertificate({.alternative_names = "DNS:localhost",
                       .extended_usage = "serverAuth",
                       .not_before = absl::UnixEpoch(),
                       .not_after = absl::FromUnixSeconds(4'000'000'000)},
                      nullptr);
  auto pair = tls::ParseKeyPair(certificate.CertificatePem(), "cert", certificate.KeyPem(), "key",
                                absl::UnixEpoch() + absl::Hours(1));
  ASSERT_TRUE(pair.ok()) << pair.status();
  tls::Certificate loaded;
  loaded.pair = *std::move(pair);
  server.certificates.push_back(tls::MakeCredential(loaded).value());
  way().server(&server);
  auto context = tls::ServerContext::Create(server);
  ASSERT_TRUE(context.ok()) << context.status();
  tls_ = *std::move(context);
  StartRouter();

  TlsPeer client(ConnectClient(), {.version = version(),
                                   .server_name = way().server_name,
                                   .allowance = 0,
                                   .configure = way().client});
  const std::string more = sends_much_more() ? std::string(kUnreadBytes, '\xff') : "";
  if (way().in_second_flight) {
    client.socket().Send(client.TakeHeldBack());
    ASSERT_TRUE(Until([&client] {
      client.Step();
      return client.held_back() > 0;
    }));
  }
  client.socket().StallReading(true);
  SendFlight(&client, way().tamper, more);
  ASSERT_TRUE(Until([&client] {
    client.socket().Step();
    return client.socket().unsent() == 0;
  })) << "the router takes what nobody will read";
  client.socket().StallReading(false);
  ASSERT_TRUE(UntilWithTime([&client] {
    client.Step();
    return client.end() != StreamEnd::kOpen;
  }));
  EXPECT_EQ(client.end(), StreamEnd::kFin);
  EXPECT_EQ(client.alert_received(), version() == TLS1_2_VERSION && way().alert_of_tls12 != 0
                                         ? way().alert_of_tls12
                                         : way().alert);
  client.socket().Fin();
  ASSERT_TRUE(UntilWithTime([this] { return live_connections() == 0; }));
  EXPECT_EQ(backend_->Accept(), nullptr) << "nobody was dialled";
  ExpectOneEnd(Reason::kTlsHandshakeFailed, Reason::kTlsHandshakeFailed, Reason::kNone);
  const auto ends = log_.Events("connection_end");
  ASSERT_EQ(ends.size(), 1u);
  EXPECT_EQ(ends[0].value("detail", ""), way().detail);
}

INSTANTIATE_TEST_SUITE_P(Ways, AlertDelivery,
                         ::testing::Combine(::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                                            ::testing::Range(size_t{0}, AllWaysToFail().size()),
                                            ::testing::Bool()),
                         [](const auto& info) {
                           return std::string(AllWaysToFail()[std::get<1>(info.param)].name) +
                                  (std::get<0>(info.param) == TLS1_2_VERSION ? "Tls12" : "Tls13") +
                                  (std::get<2>(info.param) ? "AndMuchMore" : "");
                         });

class AlertAfterTheHandshake : public CloseMatrix {};

TEST_P(AlertAfterTheHandshake, ACorruptRecordIsAnsweredThoughMuchMoreFollows) {
  Connect();
  client_->Send("good");
  client_->socket().StallReading(true);
  client_->socket().Send(std::string("\x17\x03\x03\x00\x20", 5) + std::string(kUnreadBytes, 'x'));
  ASSERT_TRUE(Until([this] { return client_->socket().unsent() == 0; }));
  client_->socket().StallReading(false);
  ASSERT_TRUE(ClientEnded());
  EXPECT_EQ(client_->alert_received(), SSL_AD_BAD_RECORD_MAC);
  EXPECT_EQ(client_->end(), StreamEnd::kFin);
  client_->socket().Fin();
  ASSERT_TRUE(AllEnded());
  EXPECT_EQ(backend_peer_->end(), StreamEnd::kReset);
  EXPECT_EQ(backend_peer_->received(), "good");
  ExpectEnd(EndedAs::Both(Reason::kTlsError, "", "bad_record"));
}

TEST_P(AlertAfterTheHandshake, OneThatNeverStopsSendingIsDroppedAfterTheGrace) {
  Connect();
  client_->socket().Send(std::string("\x17\x03\x03\x00\x20", 5) + std::string(kUnreadBytes, 'x'));
  const absl::Time start = clock_.Monotonic();
  ASSERT_TRUE(UntilWithTime([this] {
    if (client_->socket().unsent() < kUnreadBytes) {
      client_->socket().Send(std::string(kUnreadBytes, 'x'));
    }
    return live_connections() == 0;
  }));
  EXPECT_LE(clock_.Monotonic() - start, route_.bridge.grace + absl::Milliseconds(10));
  EXPECT_EQ(client_->alert_received(), SSL_AD_BAD_RECORD_MAC);
}

TLSBRIDGE_FOR_BOTH_TLS_VERSIONS(AlertAfterTheHandshake);

}  // namespace
}  // namespace tlsbridge::testing
