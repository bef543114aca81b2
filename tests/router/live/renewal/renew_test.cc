// What a route serves when its files change: each set by itself, and never a worse one.

#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "bridge/event/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "router/live/live_config.h"
#include "router/live/tls_warnings.h"
#include "tests/tls/test_certificates.h"

namespace tlsbridge {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::tlsbridge::testing::CertificateShape;
using ::tlsbridge::testing::MakeCertificate;
using ::tlsbridge::testing::TestCertificate;

std::string Warnings(const LiveRoute& route) {
  std::string all;
  for (const RouteFinding& warning : TlsWarnings(*route.settings, route.tls)) {
    absl::StrAppend(&all, warning.message, "\n");
  }
  return all;
}

class RenewTest : public ::testing::Test {
 protected:
  RenewTest() : ca_(Authority("first CA")), other_ca_(Authority("second CA")) {
    WritePair("orders", "orders 1");
    WritePair("billing", "billing 1");
    Write("ca.pem", ca_.CertificatePem());
    Write("tickets", TicketKey('a'));
  }

  std::string PathOf(const std::string& name) const { return folder_ + "/" + name; }
  void Write(const std::string& name, const std::string& text) {
    // Never the same size as before, so that the file system's coarse clock does not matter.
    std::ofstream(PathOf(name)) << text << std::string(++writes_, '\n');
  }
  static std::string TicketKey(char letter) {
    return absl::StrCat(std::string(64, letter));  // base64
  }
  TestCertificate Authority(const std::string& name) {
    return MakeCertificate({.common_name = name, .extended_usage = "", .ca = true}, nullptr);
  }
  TestCertificate Leaf(const std::string& common_name, absl::Duration age = absl::Hours(2)) {
    return MakeCertificate({.common_name = common_name,
                            .alternative_names = "DNS:" + common_name.substr(0, 6) + ".internal",
                            .extended_usage = "serverAuth",
                            .not_before = clock_.Wall() - age,
                            .not_after = clock_.Wall() + absl::Hours(24)},
                           &ca_);
  }
  void WritePair(const std::string& name, const std::string& common_name,
                 absl::Duration age = absl::Hours(2)) {
    const TestCertificate made = Leaf(common_name, age);
    Write(name + ".crt", made.CertificatePem());
    Write(name + ".key", made.KeyPem());
  }
  std::string CrlOf(const TestCertificate& ca, absl::Duration until,
                    absl::Duration from = absl::Hours(-1),
                    const std::vector<const TestCertificate*>& revoked = {}) const {
    return ca.CrlPem(revoked, until, from, clock_.Wall());
  }
  Route RouteOf(const std::string& name) {
    Route route;
    route.name = name;
    route.backends.push_back({{.socket = *SocketAddress::Parse("127.0.0.1:1")}});
    route.tls.certificates.push_back({PathOf("orders.crt"), PathOf("orders.key"), ""});
    route.tls.certificates.push_back({PathOf("billing.crt"), PathOf("billing.key"), ""});
    route.tls.client = {.mode = ClientCertificateMode::kRequired, .ca = PathOf("ca.pem")};
    route.tls.tickets = {.mode = TicketMode::kFile, .file = PathOf("tickets")};
    return route;
  }
  void Load(const Config& config) {
    auto live = LiveConfig::Load(config, live_.get(), &clock_);
    ASSERT_TRUE(live.ok()) << live.status();
    live_ = *std::move(live);
  }
  void LoadOneRoute() {
    Config config;
    config.routes.push_back(RouteOf("main"));
    Load(config);
  }
  // Whether anything changed.
  bool Renew() {
    auto before = live_;
    live_ = LiveConfig::Renew(before, &clock_);
    return live_ != before;
  }
  const RouteTls& tls(size_t route = 0) const { return live_->routes()[route]->tls; }
  const tls::Credential& orders() const { return *tls().files.certificates[0].content; }
  std::string Problems() const {
    std::string problems;
    ForEachFileSet(tls().files, [&](const FileSetState& set) {
      if (!set.problem.empty()) absl::StrAppend(&problems, set.problem, "\n");
    });
    return problems;
  }

  ManualClock clock_;
  const std::string folder_ = ::testing::TempDir();
  int writes_ = 0;
  TestCertificate ca_;
  TestCertificate other_ca_;
  std::shared_ptr<const LiveConfig> live_;
};

TEST_F(RenewTest, ACrlThatHasExpiredSinceKeepsNothingElseFromBeingRenewed) {
  Config config;
  config.routes.push_back(RouteOf("main"));
  config.routes[0].tls.client.crl = PathOf("ca.crl");
  Write("ca.crl", CrlOf(ca_, absl::Minutes(30)));
  WritePair("orders", "orders 1");
  WritePair("billing", "billing 1");
  Load(config);
  clock_.Advance(absl::Minutes(45));
  const auto clients = tls().files.clients.content;

  const auto orders = tls().files.certificates[0].content;
  WritePair("orders", "orders 2");
  ASSERT_TRUE(Renew());
  EXPECT_NE(tls().files.certificates[0].content, orders);

  config.routes[0].limits.connections = 17;
  Load(config);
  EXPECT_EQ(live_->config().routes[0].limits.connections, 17);
  EXPECT_EQ(Problems(), "");

  // Nor a new CA beside it, nor other rules.
  Write("ca.pem", ca_.CertificatePem() + other_ca_.CertificatePem());
  ASSERT_TRUE(Renew());
  EXPECT_EQ(Problems(), "");
  config.routes[0].tls.client.allow = {"cn:orders"};
  Load(config);
  EXPECT_EQ(tls().files.clients.content->policy.allow.size(), 1u);

  Write("ca.crl", CrlOf(ca_, absl::Hours(2)));
  ASSERT_TRUE(Renew());
  EXPECT_NE(tls().files.clients.content, clients);
  EXPECT_EQ(Problems(), "");
}

TEST_F(RenewTest, TicketSecretsThatAnybodyMayReadAreOddFromThenOn) {
  const auto warnings = [this] {
    const LiveRoute& route = *live_->routes()[0];
    return Warnings(route);
  };
  ASSERT_EQ(chmod(PathOf("tickets").c_str(), 0600), 0);
  LoadOneRoute();
  const auto before = live_;
  EXPECT_THAT(warnings(), Not(HasSubstr("ticket secrets")));
  ASSERT_EQ(chmod(PathOf("tickets").c_str(), 0644), 0);
  ASSERT_TRUE(Renew());
  EXPECT_THAT(warnings(), HasSubstr("/tickets: ticket secrets are world-readable"));
  const LiveRoute& old = *before->routes()[0];
  EXPECT_THAT(Warnings(old), Not(HasSubstr("ticket secrets")))
      << "so that the log can tell what is new";
}

TEST_F(RenewTest, MoreNamesOfCasThanFitIntoAMessageAreOddFromThenOn) {
  const auto warnings = [this] {
    const LiveRoute& route = *live_->routes()[0];
    return Warnings(route);
  };
  LoadOneRoute();
  EXPECT_THAT(warnings(), Not(HasSubstr("do not fit")));
  const std::string more = Authority(std::string(64, 'c')).CertificatePem();
  std::string pem = ca_.CertificatePem();
  for (int i = 0; i < 900; ++i) pem += more;
  Write("ca.pem", pem);
  ASSERT_TRUE(Renew());
  EXPECT_THAT(warnings(), HasSubstr("the names of its 901 CAs do not fit into a TLS message"));
}

TEST_F(RenewTest, ACaFileThatLostABlockIsRefusedAndTheLastGoodOneServes) {
  LoadOneRoute();
  const auto before = tls().files.clients.content;
  Write("ca.pem", "----BEGIN CERTIFICATE-----\n" + other_ca_.CertificatePem());
  ASSERT_TRUE(Renew());
  EXPECT_EQ(tls().files.clients.content, before);
  EXPECT_THAT(Problems(), HasSubstr("/ca.pem:1: looks like a malformed PEM boundary"));
}

TEST_F(RenewTest, NothingIsMadeAnewWhereNoFileChanged) {
  LoadOneRoute();
  EXPECT_FALSE(Renew());
}

TEST_F(RenewTest, ARenewedCertificateIsServedAndTheOtherIsNotReadAgain) {
  LoadOneRoute();
  const LiveRoute before = *live_->routes()[0];
  WritePair("orders", "orders 2", absl::Hours(1));
  ASSERT_TRUE(Renew());
  EXPECT_EQ(Problems(), "");
  EXPECT_NE(tls().server, before.tls.server);
  EXPECT_NE(tls().files.certificates[0].content, before.tls.files.certificates[0].content);
  EXPECT_EQ(tls().files.certificates[1].content, before.tls.files.certificates[1].content);
  EXPECT_EQ(live_->routes()[0]->backends, before.backends) << "backends keep their health";
  EXPECT_EQ(live_->routes()[0]->settings, before.settings);
  EXPECT_EQ(live_->ByName("main"), live_->routes()[0].get());
  EXPECT_FALSE(Renew());
}

TEST_F(RenewTest, ABadSetIsRefusedWithItsReasonAndAGoodOneBesideItIsServed) {
  LoadOneRoute();
  const auto before = tls().files.certificates[0].content;
  Write("orders.key", Leaf("somebody").KeyPem());
  WritePair("billing", "billing 2");
  ASSERT_TRUE(Renew());
  EXPECT_EQ(tls().files.certificates[0].content, before);
  EXPECT_EQ(Problems(),
            absl::StrCat(PathOf("orders.key"),
                         ": this private key does not belong to the certificate in ",
                         PathOf("orders.crt"), "; use the key that it was issued for\n"));
  EXPECT_EQ(tls().files.certificates[1].problem, "");
  EXPECT_FALSE(Renew()) << "still bad";
  WritePair("orders", "orders 2");
  ASSERT_TRUE(Renew());
  EXPECT_EQ(Problems(), "");
  EXPECT_NE(tls().files.certificates[0].content, before);
}

TEST_F(RenewTest, ACertificateThatIsNotValidYetIsServedOnceItIs) {
  LoadOneRoute();
  WritePair("orders", "orders 2", -absl::Hours(1));
  ASSERT_TRUE(Renew());
  EXPECT_THAT(Problems(), HasSubstr("is not valid before"));
  clock_.Advance(absl::Hours(2));
  ASSERT_TRUE(Renew());
  EXPECT_EQ(Problems(), "");
}

TEST_F(RenewTest, AnOlderOneOfTheSameIssuerIsRefused) {
  LoadOneRoute();
  WritePair("orders", "orders 0", absl::Hours(3));
  ASSERT_TRUE(Renew());
  EXPECT_THAT(Problems(), HasSubstr("orders.crt: is older than the certificate that is served"));
  const TestCertificate of_another = MakeCertificate({.common_name = "orders",
                                                      .extended_usage = "serverAuth",
                                                      .not_before = clock_.Wall() - absl::Hours(9),
                                                      .not_after = clock_.Wall() + absl::Hours(9)},
                                                     &other_ca_);
  Write("orders.crt", of_another.CertificatePem());
  Write("orders.key", of_another.KeyPem());
  ASSERT_TRUE(Renew());
  EXPECT_EQ(Problems(), "") << "who changes the issuer means it";
}

TEST_F(RenewTest, ACertificateThatTheRouteCannotServeIsRefused) {
  Config config;
  config.routes.push_back(RouteOf("main"));
  config.routes[0].tls.max_version = TlsVersion::kTls12;
  config.routes[0].tls.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256";
  Load(config);
  const RouteTls before = tls();
  const TestCertificate rsa = MakeCertificate({.common_name = "orders",
                                               .extended_usage = "serverAuth",
                                               .rsa = true,
                                               .not_before = clock_.Wall() - absl::Hours(1),
                                               .not_after = clock_.Wall() + absl::Hours(1)},
                                              &ca_);
  Write("orders.crt", rsa.CertificatePem());
  Write("orders.key", rsa.KeyPem());
  ASSERT_TRUE(Renew());
  EXPECT_EQ(tls().server, before.server);
  EXPECT_EQ(tls().files.certificates[0].content, before.files.certificates[0].content);
  EXPECT_THAT(Problems(), HasSubstr("no client could use its RSA key"));
  EXPECT_FALSE(Renew());
  WritePair("billing", "billing 2");
  ASSERT_TRUE(Renew());
  EXPECT_NE(tls().files.certificates[1].content, before.files.certificates[1].content)
      << "it keeps no other from being served";
}

TEST_F(RenewTest, AnotherCaMakesAnotherContext) {
  LoadOneRoute();
  const auto before = tls();
  Write("ca.pem", other_ca_.CertificatePem());
  ASSERT_TRUE(Renew());
  EXPECT_NE(tls().server, before.server);
  EXPECT_EQ(tls().files.tickets.content, before.files.tickets.content);
  Write("ca.pem", "no CA");
  const auto served = tls().server;
  ASSERT_TRUE(Renew());
  EXPECT_EQ(tls().server, served);
  EXPECT_THAT(Problems(), HasSubstr("ca.pem: "));
}

TEST_F(RenewTest, AnOlderCrlIsRefused) {
  Config config;
  config.routes.push_back(RouteOf("main"));
  config.routes[0].tls.client.crl = PathOf("crl.pem");
  const TestCertificate revoked = Leaf("revoked");
  Write("crl.pem", CrlOf(ca_, absl::Hours(1), -absl::Minutes(10), {&revoked}));
  Load(config);
  Write("crl.pem", CrlOf(ca_, absl::Hours(1), -absl::Minutes(20)));
  const auto served = tls().server;
  ASSERT_TRUE(Renew());
  EXPECT_EQ(tls().server, served);
  EXPECT_THAT(Problems(), HasSubstr("crl.pem: is older than the CRL that is served: of "));
  Write("crl.pem", CrlOf(ca_, absl::Hours(1), -absl::Minutes(5)));
  ASSERT_TRUE(Renew());
  EXPECT_EQ(Problems(), "");
}

TEST_F(RenewTest, AnEmptyCrlOrOneThatLacksACaRevokesNoLess) {
  Config config;
  config.routes.push_back(RouteOf("main"));
  config.routes[0].tls.client.crl = PathOf("crl.pem");
  const std::string of_ca = CrlOf(ca_, absl::Hours(1));
  const std::string of_other = CrlOf(other_ca_, absl::Hours(1));
  Write("ca.pem", ca_.CertificatePem() + other_ca_.CertificatePem());
  Write("crl.pem", of_ca + of_other);
  Load(config);
  const auto served = tls().server;
  std::ofstream(PathOf("crl.pem")) << "";
  ASSERT_TRUE(Renew());
  EXPECT_EQ(Problems(), PathOf("crl.pem") + ": is empty\n");
  Write("crl.pem", of_ca);
  ASSERT_TRUE(Renew());
  EXPECT_THAT(Problems(), HasSubstr("crl.pem: lacks the CRL of a CA that is still trusted"));
  EXPECT_EQ(tls().server, served);
  Write("ca.pem", ca_.CertificatePem());
  ASSERT_TRUE(Renew());
  EXPECT_EQ(Problems(), "") << "that CA is trusted no more";
}

TEST_F(RenewTest, AnEmptyFileOfCasIsNotTheSystems) {
  Config config;
  config.routes.push_back(RouteOf("main"));
  config.routes[0].tls_mode = TlsMode::kTerminateAndReencrypt;
  config.routes[0].backend_tls = {.ca = PathOf("ca.pem"), .verify_name = "orders.internal"};
  Load(config);
  const auto served = tls().backend;
  std::ofstream(PathOf("ca.pem")) << "";
  ASSERT_TRUE(Renew());
  EXPECT_EQ(tls().backend, served);
  EXPECT_THAT(Problems(), HasSubstr("ca.pem: is empty"));
}

TEST_F(RenewTest, TicketKeysAreReplacedInPlace) {
  LoadOneRoute();
  const RouteTls before = tls();
  const uint64_t generation = before.files.tickets.content->generation();
  Write("tickets", TicketKey('b'));
  ASSERT_TRUE(Renew());
  EXPECT_EQ(tls().server, before.server) << "the context asks them for what is new";
  EXPECT_GT(tls().files.tickets.content->generation(), generation);
  Write("tickets", "short");
  ASSERT_TRUE(Renew());
  EXPECT_THAT(Problems(), HasSubstr("tickets:1: "));
}

TEST_F(RenewTest, WhatABackendIsJudgedByIsRenewedToo) {
  Config config;
  config.routes.push_back(RouteOf("main"));
  config.routes[0].tls_mode = TlsMode::kTerminateAndReencrypt;
  config.routes[0].backend_tls = {.ca = PathOf("ca.pem"), .verify_name = "orders.internal"};
  Load(config);
  const RouteTls before = tls();
  ASSERT_NE(before.backend, nullptr);
  WritePair("orders", "orders 2");
  ASSERT_TRUE(Renew());
  EXPECT_EQ(tls().backend, before.backend) << "its sessions are kept";
  Write("ca.pem", absl::StrCat(ca_.CertificatePem(), other_ca_.CertificatePem()));
  ASSERT_TRUE(Renew());
  EXPECT_NE(tls().backend, before.backend);
}

TEST_F(RenewTest, ABadFileOfOneRouteDoesNotKeepAReloadFromAddingAnother) {
  LoadOneRoute();
  Write("orders.key", "no key");
  Config config;
  config.routes.push_back(RouteOf("main"));
  config.routes.push_back({.name = "other", .action = RouteAction::kBlock});
  Load(config);
  EXPECT_EQ(live_->routes().size(), 2u);
  EXPECT_THAT(Problems(), HasSubstr("orders.key"));
  // But a route that is new, or names other files, has nothing that it could go on with.
  config.routes[1] = RouteOf("third");
  EXPECT_FALSE(LiveConfig::Load(config, live_.get(), &clock_).ok());
}

// ---- Routes whose files are bad at a start.

class RouteDownTest : public RenewTest {
 protected:
  // "one" has the files of orders, "two" of billing.
  Config TwoRoutes() {
    Config config;
    for (const char* name : {"one", "two"}) {
      Route route = RouteOf(name);
      route.match.domains = {absl::StrCat(name, ".internal")};
      route.tls.certificates.erase(route.tls.certificates.begin() +
                                   (config.routes.empty() ? 1 : 0));
      config.routes.push_back(route);
    }
    return config;
  }
  absl::Status Refusal(const Config& config) {
    return LiveConfig::Load(config, live_.get(), &clock_).status();
  }
  void ServeWithTwoDown() {
    Write("billing.crt", "garbage");
    ASSERT_NO_FATAL_FAILURE(Load(TwoRoutes()));
    ASSERT_THAT(live_->Down(), ::testing::ElementsAre("two"));
  }
};

TEST_F(RouteDownTest, TheOthersAreServedAndTheReasonIsKept) {
  ASSERT_NO_FATAL_FAILURE(ServeWithTwoDown());
  EXPECT_NE(tls(0).server, nullptr);
  EXPECT_EQ(tls(0).down, "");
  EXPECT_EQ(tls(1).server, nullptr);
  EXPECT_THAT(tls(1).down, HasSubstr("billing.crt: "));
}

TEST_F(RouteDownTest, IsServedOnceItsFilesAreGoodAndNotBefore) {
  ASSERT_NO_FATAL_FAILURE(ServeWithTwoDown());
  const LiveRoute* const other = live_->ByName("one");
  EXPECT_FALSE(Renew()) << "nothing has changed";
  Write("billing.crt", ca_.CertificatePem());
  EXPECT_TRUE(Renew()) << "the reason is another";
  EXPECT_THAT(live_->Down(), ::testing::ElementsAre("two"));
  WritePair("billing", "billing 2");
  EXPECT_TRUE(Renew());
  EXPECT_THAT(live_->Down(), ::testing::IsEmpty());
  EXPECT_NE(tls(1).server, nullptr);
  EXPECT_EQ(live_->ByName("one"), other) << "it is not touched";
}

TEST_F(RouteDownTest, OneThatIsNotValidYetIsServedWhenItsTimeHasCome) {
  WritePair("billing", "billing 1", /*age=*/absl::Hours(-1));
  ASSERT_NO_FATAL_FAILURE(Load(TwoRoutes()));
  ASSERT_THAT(live_->Down(), ::testing::ElementsAre("two"));
  EXPECT_FALSE(Renew());
  clock_.Advance(absl::Hours(2));
  EXPECT_TRUE(Renew());
  EXPECT_THAT(live_->Down(), ::testing::IsEmpty());
}

TEST_F(RouteDownTest, AReloadIsNotRefusedForWhatIsDownAlready) {
  ASSERT_NO_FATAL_FAILURE(ServeWithTwoDown());
  Config changed = TwoRoutes();
  changed.routes[0].limits.connections = 7;
  ASSERT_NO_FATAL_FAILURE(Load(changed));
  EXPECT_EQ(live_->config().routes[0].limits.connections, 7);
  EXPECT_THAT(live_->Down(), ::testing::ElementsAre("two"));
  WritePair("billing", "billing 2");
  ASSERT_NO_FATAL_FAILURE(Load(changed));
  EXPECT_THAT(live_->Down(), ::testing::IsEmpty());
  // From now on it is served, and a reload keeps it so.
  changed.routes[1].tls.certificates[0].cert = PathOf("nothing.crt");
  EXPECT_THAT(Refusal(changed).message(), HasSubstr("route two: "));
}

TEST_F(RouteDownTest, AReloadWithANewRouteWhoseFilesAreBadIsRefused) {
  Config one = TwoRoutes();
  one.routes.pop_back();
  ASSERT_NO_FATAL_FAILURE(Load(one));
  Write("billing.crt", "garbage");
  EXPECT_THAT(Refusal(TwoRoutes()).message(), HasSubstr("route two: "));
}

TEST_F(RouteDownTest, WhereNoRouteThatForwardsIsLeftTheStartIsRefused) {
  Write("billing.crt", "garbage");
  Config config = TwoRoutes();
  config.routes[0].action = RouteAction::kBlock;
  EXPECT_THAT(Refusal(config).message(), HasSubstr("route two: "));
  config.routes.erase(config.routes.begin());
  EXPECT_THAT(Refusal(config).message(), Not(HasSubstr("route two: "))) << "there is no other";
  EXPECT_THAT(Refusal(config).message(), HasSubstr("billing.crt: "));
}

}  // namespace
}  // namespace tlsbridge
