#include "router/live/renewal/expiry_watch.h"

#include <fstream>
#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "tests/support/log_capture.h"
#include "tests/tls/test_certificates.h"

namespace tlsbridge {
namespace {

using ::tlsbridge::testing::LogCapture;
using ::tlsbridge::testing::MakeCertificate;

class ExpiryWatchTest : public ::testing::Test {
 protected:
  void Serve(absl::Duration lifetime) {
    ASSERT_NO_FATAL_FAILURE(Load(lifetime));
    watch_ = std::make_unique<ExpiryWatch>(loop_.get(),
                                           [this]() -> const LiveConfig& { return *live_; });
    watch_->Check();
  }
  void Load(absl::Duration lifetime) {
    const auto made = MakeCertificate({.alternative_names = "DNS:orders.internal",
                                       .extended_usage = "serverAuth",
                                       .not_before = clock_.Wall(),
                                       .not_after = clock_.Wall() + lifetime},
                                      nullptr);
    std::ofstream(crt_) << made.CertificatePem();
    std::ofstream(key_) << made.KeyPem();
    Config config;
    for (const char* name : {"one", "two"}) {
      Route& route = config.routes.emplace_back();
      route.name = name;
      route.match.domains = {std::string(name) + ".internal"};
      route.backends.push_back({{.socket = *SocketAddress::Parse("127.0.0.1:1")}});
      route.tls.certificates.push_back({crt_, key_, ""});
      route.tls.client = client_auth_;
    }
    auto live = LiveConfig::Load(config, nullptr, &clock_);
    ASSERT_TRUE(live.ok()) << live.status();
    live_ = *std::move(live);
  }
  void Advance(absl::Duration time) {
    for (absl::Duration gone; gone < time; gone += absl::Minutes(30)) {
      clock_.Advance(absl::Minutes(30));
      loop_->Turn(/*wait=*/false);
    }
  }
  size_t Reported(const std::string& event) { return log_.Events(event).size(); }

  LogCapture log_;
  ManualClock clock_;
  std::unique_ptr<EventLoop> loop_ = *EventLoop::Create(&clock_);
  const std::string crt_ = ::testing::TempDir() + "/expiry.crt";
  const std::string key_ = ::testing::TempDir() + "/expiry.key";
  const std::string ca_ = ::testing::TempDir() + "/expiry_ca.crt";
  const std::string crl_ = ::testing::TempDir() + "/expiry.crl";
  ClientAuth client_auth_;
  std::shared_ptr<const LiveConfig> live_;
  std::unique_ptr<ExpiryWatch> watch_;
};

TEST_F(ExpiryWatchTest, TellsOnceADayFromTheLastTenthOn) {
  ASSERT_NO_FATAL_FAILURE(Serve(absl::Hours(30 * 24)));
  Advance(absl::Hours(27 * 24 - 2));
  EXPECT_EQ(Reported("certificate_expires_soon"), 0u);
  Advance(absl::Hours(4));
  const auto events = log_.Events("certificate_expires_soon");
  ASSERT_EQ(events.size(), 1u) << "one file, though two routes serve it";
  EXPECT_EQ(events[0]["file"], crt_);
  EXPECT_EQ(events[0]["level"], "warning");
  Advance(absl::Hours(48));
  EXPECT_EQ(Reported("certificate_expires_soon"), 3u);
  EXPECT_EQ(Reported("certificate_expired"), 0u);
  Advance(absl::Hours(24));
  EXPECT_EQ(Reported("certificate_expired"), 1u) << "at once";
  Advance(absl::Hours(24));
  EXPECT_EQ(Reported("certificate_expired"), 2u);
}

TEST_F(ExpiryWatchTest, WhatIsServedAnewIsToldOfAtOnceAndOnceADay) {
  ASSERT_NO_FATAL_FAILURE(Serve(absl::Hours(1000)));
  ASSERT_NO_FATAL_FAILURE(Load(absl::Hours(10)));
  Advance(absl::Hours(9) + absl::Minutes(5));
  ASSERT_EQ(Reported("certificate_expires_soon"), 1u);
  for (int i = 0; i < 5; ++i) watch_->Check();
  EXPECT_EQ(Reported("certificate_expires_soon"), 1u) << "the same, however often it is reloaded";
  // Renewed, but with hardly more time left than before.
  ASSERT_NO_FATAL_FAILURE(Load(absl::Minutes(1)));
  clock_.Advance(absl::Seconds(55));
  watch_->Check();
  EXPECT_EQ(Reported("certificate_expires_soon"), 2u);
  watch_->Check();
  EXPECT_EQ(Reported("certificate_expires_soon"), 2u);
}

TEST_F(ExpiryWatchTest, OfALongLifetimeTheLastFortnightIsEnough) {
  ASSERT_NO_FATAL_FAILURE(Serve(absl::Hours(730 * 24)));
  Advance(absl::Hours((730 - 15) * 24));
  EXPECT_EQ(Reported("certificate_expires_soon"), 0u);
  Advance(absl::Hours(26));
  EXPECT_EQ(Reported("certificate_expires_soon"), 1u);
}

TEST_F(ExpiryWatchTest, ClientsCasAndCrlsAreWatchedLikeCertificates) {
  const auto ca = MakeCertificate({.common_name = "CA",
                                   .extended_usage = "",
                                   .ca = true,
                                   .not_before = clock_.Wall(),
                                   .not_after = clock_.Wall() + absl::Hours(40)},
                                  nullptr);
  const auto old = MakeCertificate({.common_name = "old CA",
                                    .extended_usage = "",
                                    .ca = true,
                                    .not_before = clock_.Wall() - absl::Hours(40),
                                    .not_after = clock_.Wall() - absl::Hours(1)},
                                   nullptr);
  std::ofstream(ca_) << old.CertificatePem() << ca.CertificatePem();
  std::ofstream(crl_) << ca.CrlPem({}, absl::Hours(20), absl::Hours(-1), clock_.Wall());
  client_auth_ = {.mode = ClientCertificateMode::kRequired, .ca = ca_, .crl = crl_};
  ASSERT_NO_FATAL_FAILURE(Serve(absl::Hours(1000)));
  EXPECT_EQ(Reported("client_ca_expired"), 0u) << "its successor is beside it";
  Advance(absl::Hours(19));
  EXPECT_EQ(Reported("crl_expires_soon"), 1u);
  EXPECT_EQ(Reported("crl_expired"), 0u);
  Advance(absl::Hours(2));
  const auto expired = log_.Events("crl_expired");
  ASSERT_EQ(expired.size(), 1u);
  EXPECT_EQ(expired[0]["file"], crl_);
  EXPECT_EQ(Reported("client_ca_expires_soon"), 0u);
  Advance(absl::Hours(16));
  EXPECT_EQ(Reported("client_ca_expires_soon"), 1u);
  Advance(absl::Hours(4));
  EXPECT_EQ(Reported("client_ca_expired"), 1u);
  const std::string json = CertificatesJson(*live_, clock_.Wall());
  EXPECT_NE(json.find("\"kind\":\"crl\""), std::string::npos) << json;
  EXPECT_NE(json.find("\"kind\":\"client_ca\""), std::string::npos) << json;
}

TEST_F(ExpiryWatchTest, ListsWhatIsServed) {
  ASSERT_NO_FATAL_FAILURE(Serve(absl::Hours(24)));
  const std::string json = CertificatesJson(*live_, clock_.Wall());
  EXPECT_NE(json.find("\"names\":[\"orders.internal\"]"), std::string::npos) << json;
  EXPECT_NE(json.find("\"route\":\"two\""), std::string::npos) << json;
  EXPECT_EQ(json.find("problem"), std::string::npos) << json;
}

}  // namespace
}  // namespace tlsbridge
