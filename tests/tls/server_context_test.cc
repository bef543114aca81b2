#include "tls/server_context.h"

#include <openssl/x509.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/tls/memory_client.h"
#include "tests/tls/test_certificates.h"
#include "tests/tls/test_ocsp.h"
#include "tls/certificates/peer_identity.h"
#include "tls/client_session.h"
#include "tls/hello/client_hello_reader.h"

namespace tlsbridge::tls {
namespace {

using ::testing::HasSubstr;
using ::tlsbridge::testing::CertificateShape;
using ::tlsbridge::testing::MakeCertificate;
using ::tlsbridge::testing::MakeOcspResponse;
using ::tlsbridge::testing::MemoryClient;
using ::tlsbridge::testing::TestCertificate;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

// `common_name` tells the certificates apart.
Certificate Make(const std::string& common_name, const std::string& alternative_names,
                 bool rsa = false) {
  CertificateShape shape;
  shape.common_name = common_name;
  shape.alternative_names = alternative_names;
  shape.extended_usage = "serverAuth";
  shape.rsa = rsa;
  TestCertificate made = MakeCertificate(shape, nullptr);
  Certificate certificate;
  certificate.pair.name = absl::StrCat(common_name, ".crt");
  certificate.pair.chain.push_back(std::move(made.certificate));
  certificate.pair.key = std::move(made.key);
  return certificate;
}

// A client's handshake with a server that looks at its hello first, as a route does.
class Handshake {
 public:
  Handshake(const ServerContext& context, MemoryClient* client, absl::Time now = kNow) {
    const std::string hello_bytes = client->TakeOutput();
    ClientHelloReader reader;
    EXPECT_EQ(reader.Feed(Bytes(hello_bytes)), ClientHelloReader::Result::kWhole);
    choice_ = context.Choose(reader.hello(), now);
    if (choice_.credential == nullptr) return;
    session_ = ClientSession::Accept(context, choice_, &staging_);
    Exchange(hello_bytes, client);
    for (int i = 0; i < 3; ++i) Exchange(client->TakeOutput(), client);
    if (session_->handshake_done()) session_->Send({1});  // BoringSSL sends tickets with it
    BringOutput(client);
    bssl::UniquePtr<X509> leaf(SSL_get_peer_certificate(client->ssl()));
    if (client->handshake_done() && leaf != nullptr) served_ = IdentityOf(leaf.get()).common_name;
  }

  // The common name of the certificate that the client got; empty if the handshake failed.
  const std::string& served() const { return served_; }
  const ServerContext::Choice& choice() const { return choice_; }
  const Session& session() const { return *session_; }

 private:
  static absl::Span<const uint8_t> Bytes(const std::string& text) {
    return absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(text.data()), text.size());
  }
  void Exchange(const std::string& bytes, MemoryClient* client) {
    session_->Receive(Bytes(bytes));
    BringOutput(client);
  }
  void BringOutput(MemoryClient* client) {
    client->Receive(std::string(staging_.output().begin(), staging_.output().end()));
    staging_.ClearOutput();
  }

  Staging staging_;
  ServerContext::Choice choice_;
  std::unique_ptr<Session> session_;
  std::string served_;
};

std::unique_ptr<ServerContext> MustCreate(const ServerOptions& options) {
  auto context = ServerContext::Create(options);
  EXPECT_TRUE(context.ok()) << context.status();
  return *std::move(context);
}

void ExpectRefused(const ServerOptions& options, const std::string& message) {
  EXPECT_EQ(std::string(ServerContext::Create(options).status().message()), message);
}

class ServerContextTest : public ::testing::TestWithParam<uint16_t> {
 protected:
  void Add(const Certificate& certificate) {
    options_.certificates.push_back(MakeCredential(certificate).value());
  }

  // Which certificate a client gets that asks for `name`.
  std::string Served(const ServerContext& context, const char* name) {
    MemoryClient client(
        GetParam(), [](SSL_CTX*) {}, nullptr, name);
    return Handshake(context, &client).served();
  }
  // Of which the client's signature algorithms and ciphers are those of RSA.
  std::string ServedToRsaClient(const ServerContext& context, const char* name) {
    MemoryClient client(
        GetParam(),
        [](SSL_CTX* ctx) {
          const uint16_t signatures[] = {SSL_SIGN_RSA_PSS_RSAE_SHA256, SSL_SIGN_RSA_PKCS1_SHA256};
          SSL_CTX_set_verify_algorithm_prefs(ctx, signatures, 2);
        },
        nullptr, name);
    return Handshake(context, &client).served();
  }

  ServerOptions options_;
};

TEST_P(ServerContextTest, ChoosesByNameExactlyThenByWildcardThenTheFirst) {
  Add(Make("first", "DNS:first.internal"));
  Add(Make("orders", "DNS:Orders.internal,DNS:orders.example."));
  Add(Make("wild", "DNS:*.internal"));
  Add(Make("inner", "DNS:*.wild.internal"));
  const auto context = MustCreate(options_);
  EXPECT_EQ(Served(*context, "orders.internal"), "orders");
  EXPECT_EQ(Served(*context, "ORDERS.internal"), "orders");
  EXPECT_EQ(Served(*context, "orders.example"), "orders");
  EXPECT_EQ(Served(*context, "other.internal"), "wild");
  EXPECT_EQ(Served(*context, "a.wild.internal"), "inner");
  EXPECT_EQ(Served(*context, "a.b.wild.internal"), "first") << "a wildcard is one label";
  EXPECT_EQ(Served(*context, "internal"), "first");
  EXPECT_EQ(Served(*context, ".internal"), "first") << "a wildcard is not an empty label";
  EXPECT_EQ(Served(*context, "*.internal"), "first") << "a wildcard is not for asking";
  EXPECT_EQ(Served(*context, nullptr), "first");
}

TEST_P(ServerContextTest, TheCommonNameCountsOnlyWithoutAlternativeNames) {
  Add(Make("first", "DNS:first.internal"));
  Add(Make("cn.internal", ""));
  Add(Make("hidden.internal", "DNS:san.internal"));
  Add(Make("ip.internal", "IP:127.0.0.1"));
  const auto context = MustCreate(options_);
  EXPECT_EQ(Served(*context, "cn.internal"), "cn.internal");
  EXPECT_EQ(Served(*context, "san.internal"), "hidden.internal");
  EXPECT_EQ(Served(*context, "hidden.internal"), "first");
  EXPECT_EQ(Served(*context, "ip.internal"), "first");
}

TEST_P(ServerContextTest, RefusesUnknownNamesIfTold) {
  Add(Make("first", "DNS:first.internal"));
  options_.refuse_unknown_sni = true;
  const auto context = MustCreate(options_);
  EXPECT_EQ(Served(*context, "first.internal"), "first");
  MemoryClient unknown(
      GetParam(), [](SSL_CTX*) {}, nullptr, "other.internal");
  const Handshake refused(*context, &unknown);
  EXPECT_EQ(refused.choice().credential, nullptr);
  EXPECT_EQ(Describe(refused.choice().failure), "unknown_sni");
  EXPECT_EQ(refused.choice().alert, SSL_AD_UNRECOGNIZED_NAME);
  MemoryClient nameless(
      GetParam(), [](SSL_CTX*) {}, nullptr, nullptr);
  const Handshake without(*context, &nameless);
  EXPECT_EQ(Describe(without.choice().failure), "unknown_sni");
  EXPECT_EQ(without.choice().alert, SSL_AD_MISSING_EXTENSION);
}

TEST_P(ServerContextTest, AnEcdsaCertificateIsForWhoCanAndRsaForTheOthers) {
  Add(Make("first-rsa", "DNS:first.internal", /*rsa=*/true));
  Add(Make("first-ecdsa", "DNS:first.internal"));
  Add(Make("orders-ecdsa", "DNS:orders.internal"));
  Add(Make("orders-rsa", "DNS:orders.internal", /*rsa=*/true));
  const auto context = MustCreate(options_);
  EXPECT_EQ(Served(*context, "orders.internal"), "orders-ecdsa");
  EXPECT_EQ(Served(*context, nullptr), "first-ecdsa");
  EXPECT_EQ(ServedToRsaClient(*context, "orders.internal"), "orders-rsa");
  EXPECT_EQ(ServedToRsaClient(*context, nullptr), "first-rsa");
  EXPECT_EQ(ServedToRsaClient(*context, "unknown.internal"), "first-rsa");
}

TEST_P(ServerContextTest, NegotiatesTheProtocolThatTheServerPrefers) {
  Add(Make("first", "DNS:first.internal"));
  options_.alpn = {"h2", "http/1.1"};
  const auto context = MustCreate(options_);
  MemoryClient client(GetParam(), [](SSL_CTX* ctx) {
    SSL_CTX_set_alpn_protos(ctx, reinterpret_cast<const uint8_t*>("\x08http/1.1\x02h2"), 12);
  });
  const Handshake handshake(*context, &client);
  EXPECT_EQ(handshake.served(), "first");
  EXPECT_EQ(std::string(handshake.session().alpn()), "h2");
  const uint8_t* protocol;
  unsigned length;
  SSL_get0_alpn_selected(client.ssl(), &protocol, &length);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(protocol), length), "h2");
}

TEST_P(ServerContextTest, RefusesAClientWhoseProtocolsItDoesNotSpeak) {
  Add(Make("first", "DNS:first.internal"));
  options_.alpn = {"h2"};
  const auto context = MustCreate(options_);
  const auto offer_mqtt = [](SSL_CTX* ctx) {
    SSL_CTX_set_alpn_protos(ctx, reinterpret_cast<const uint8_t*>("\x04mqtt"), 5);
  };
  MemoryClient client(GetParam(), offer_mqtt);
  const Handshake refused(*context, &client);
  EXPECT_EQ(refused.choice().credential, nullptr);
  EXPECT_EQ(Describe(refused.choice().failure), "no_shared_alpn");
  EXPECT_EQ(refused.choice().alert, SSL_AD_NO_APPLICATION_PROTOCOL);

  // BoringSSL says the same to one that was not looked at before.
  MemoryClient unseen(GetParam(), offer_mqtt);
  Staging staging;
  const auto session = ClientSession::Accept(*context, &staging);
  const std::string hello = unseen.TakeOutput();
  session->Receive({reinterpret_cast<const uint8_t*>(hello.data()), hello.size()});
  EXPECT_EQ(Describe(session->failure()), "no_shared_alpn");
}

TEST_P(ServerContextTest, WithoutProtocolsOfItsOwnOrTheClientsNoneIsNegotiated) {
  Add(Make("first", "DNS:first.internal"));
  const auto none = MustCreate(options_);
  MemoryClient offers(GetParam(), [](SSL_CTX* ctx) {
    SSL_CTX_set_alpn_protos(ctx, reinterpret_cast<const uint8_t*>("\x02h2"), 3);
  });
  const Handshake ignored(*none, &offers);
  EXPECT_EQ(ignored.served(), "first");
  EXPECT_EQ(std::string(ignored.session().alpn()), "");
  options_.alpn = {"h2"};
  const auto h2 = MustCreate(options_);
  EXPECT_EQ(Served(*h2, nullptr), "first");
}

std::string Staple(MemoryClient* client) {
  const uint8_t* data;
  size_t length;
  SSL_get0_ocsp_response(client->ssl(), &data, &length);
  return std::string(reinterpret_cast<const char*>(data), length);
}

TEST_P(ServerContextTest, StaplesAFreshOcspResponseToWhoAsks) {
  for (const char* name : {"first.internal", "second.internal"}) {
    options_.certificates.clear();
    const absl::Time next_update = kNow + absl::Hours(1);
    std::vector<std::string> ders;
    for (const char* of : {"first", "second"}) {
      Certificate certificate = Make(of, absl::StrCat("DNS:", of, ".internal"));
      ders.push_back(MakeOcspResponse(certificate.pair, next_update));
      auto staple = ParseOcspResponse(ders.back(), "ocsp", certificate.pair);
      ASSERT_TRUE(staple.ok()) << staple.status();
      certificate.staple = *std::move(staple);
      Add(certificate);
    }
    const auto context = MustCreate(options_);
    const auto ask = [](SSL_CTX* ctx) { SSL_CTX_enable_ocsp_stapling(ctx); };
    MemoryClient asks(GetParam(), ask, nullptr, name);
    Handshake(*context, &asks);
    EXPECT_EQ(Staple(&asks), ders[name[0] == 'f' ? 0 : 1]);
    MemoryClient does_not_ask(
        GetParam(), [](SSL_CTX*) {}, nullptr, name);
    Handshake(*context, &does_not_ask);
    EXPECT_EQ(Staple(&does_not_ask), "");
    MemoryClient asks_late(GetParam(), ask, nullptr, name);
    Handshake late(*context, &asks_late, next_update);
    EXPECT_NE(late.served(), "");
    EXPECT_EQ(Staple(&asks_late), "") << "from nextUpdate on";
  }
}

TEST_P(ServerContextTest, ATicketOfOneCertificateIsGoodForAnother) {
  Add(Make("first", "DNS:first.internal"));
  Add(Make("second", "DNS:second.internal"));
  const auto context = MustCreate(options_);
  bssl::UniquePtr<SSL_SESSION> ticket;
  const auto keep = [&ticket](SSL_CTX* ctx) {
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT);
    SSL_CTX_set_app_data(ctx, &ticket);
    SSL_CTX_sess_set_new_cb(ctx, [](SSL* ssl, SSL_SESSION* session) {
      static_cast<bssl::UniquePtr<SSL_SESSION>*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)))
          ->reset(session);
      return 1;
    });
  };
  MemoryClient full(GetParam(), keep, nullptr, "first.internal");
  Handshake(*context, &full);
  ASSERT_NE(ticket, nullptr);
  MemoryClient resumed(
      GetParam(), [](SSL_CTX*) {}, ticket.get(), "second.internal");
  EXPECT_TRUE(Handshake(*context, &resumed).session().resumed());
}

TEST_P(ServerContextTest, ASessionOutlivesItsContext) {
  Add(Make("first", "DNS:first.internal"));
  Add(Make("second", "DNS:second.internal"));
  options_.alpn = {"h2"};
  auto context = MustCreate(options_);
  MemoryClient client(
      GetParam(), [](SSL_CTX*) {}, nullptr, "second.internal");
  const std::string hello = client.TakeOutput();
  ClientHelloReader reader;
  const absl::Span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(hello.data()),
                                        hello.size());
  ASSERT_EQ(reader.Feed(bytes), ClientHelloReader::Result::kWhole);
  Staging staging;
  const auto session =
      ClientSession::Accept(*context, context->Choose(reader.hello(), kNow), &staging);
  context.reset();
  session->Receive(bytes);
  client.Receive(std::string(staging.output().begin(), staging.output().end()));
  staging.ClearOutput();
  const std::string second_flight = client.TakeOutput();
  session->Receive({reinterpret_cast<const uint8_t*>(second_flight.data()), second_flight.size()});
  EXPECT_TRUE(session->handshake_done());
}

INSTANTIATE_TEST_SUITE_P(Tls, ServerContextTest, ::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& info) {
                           return info.param == TLS1_2_VERSION ? "Tls12" : "Tls13";
                         });

TEST(ServerOptionsTest, NeedsACertificateAndSensibleProtocols) {
  ServerOptions options;
  ExpectRefused(options, "certificates: there must be at least one");
  options.certificates.push_back(MakeCredential(Make("first", "")).value());
  options.alpn = {""};
  ExpectRefused(options, "alpn: \"\" must have from 1 to 255 bytes");
  options.alpn = {"h2", "http/1.1", "h2"};
  ExpectRefused(options, "alpn: \"h2\" comes twice");
}

TEST(ServerOptionsTest, RefusesACertificateThatNoClientCouldUse) {
  ServerOptions options;
  options.certificates.push_back(MakeCredential(Make("first", "DNS:first.internal")).value());
  options.protocol.signature_algorithms = "rsa_pss_rsae_sha256";
  ExpectRefused(options,
                "first.crt: no client could use its ECDSA P-256 key with these versions, ciphers "
                "and signature_algorithms");
  options.protocol.signature_algorithms = "";
  options.protocol.max_version = "TLSv1.2";
  options.protocol.ciphers = "ECDHE-RSA-AES128-GCM-SHA256";
  EXPECT_FALSE(ServerContext::Create(options).ok());
  options.protocol.max_version = "TLSv1.3";
  EXPECT_TRUE(ServerContext::Create(options).ok());
}

TEST(ServerOptionsTest, APrivateKeyOfAnotherCertificateIsRefusedByName) {
  ServerOptions options;
  options.certificates.push_back(MakeCredential(Make("first", "")).value());
  Certificate second = Make("second", "");
  second.pair.key = Make("third", "").pair.key;
  options.certificates.push_back(MakeCredential(second).value());
  EXPECT_THAT(std::string(ServerContext::Create(options).status().message()),
              HasSubstr("second.crt: refused by BoringSSL: "));
}

}  // namespace
}  // namespace tlsbridge::tls
