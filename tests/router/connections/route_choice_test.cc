// A connection finds its route, or is refused with the reason and the alert that tell why.

#include <string>

#include "gtest/gtest.h"
#include "tests/support/router_fixture.h"
#include "tls/alert_record.h"

namespace tlsbridge::testing {
namespace {

using Reason = TerminationReason;

class RouteChoice : public RouterFixture {
 protected:
  void ExpectRefusal(Reason reason, int alert) {
    client_ = ConnectTls();
    ASSERT_TRUE(Until([this] { return client_->end() != StreamEnd::kOpen; }));
    EXPECT_EQ(client_->end(), StreamEnd::kFin);
    EXPECT_EQ(client_->alert_received(), alert);
    client_->socket().Fin();
    ASSERT_TRUE(Until([this] { return live_connections() == 0; }));
    ExpectOneEnd(reason, reason, Reason::kNone);
    EXPECT_EQ(backend_->Accept(), nullptr);
  }
  static Cidr Block(const std::string& text) { return *Cidr::Parse(text); }
};

TEST_F(RouteChoice, WithoutARouteTheNameIsUnrecognized) {
  route_.match.domains = {"elsewhere.internal"};
  StartRouter();
  ExpectRefusal(Reason::kNoRoute, tls::kUnrecognizedNameAlert);
}

TEST_F(RouteChoice, ADeniedClientIsToldSo) {
  route_.deny_ip = {Block("127.0.0.0/8")};
  StartRouter();
  ExpectRefusal(Reason::kDenied, tls::kAccessDeniedAlert);
}

TEST_F(RouteChoice, AClientThatIsNotAllowedIsDenied) {
  route_.allow_ip = {Block("10.0.0.0/8")};
  StartRouter();
  ExpectRefusal(Reason::kDenied, tls::kAccessDeniedAlert);
}

TEST_F(RouteChoice, DenyWinsOverAllow) {
  route_.allow_ip = {Block("127.0.0.0/8")};
  route_.deny_ip = {Block("127.0.0.1/32")};
  StartRouter();
  ExpectRefusal(Reason::kDenied, tls::kAccessDeniedAlert);
}

TEST_F(RouteChoice, TheSecondRouteServesWhatTheFirstIsNotFor) {
  route_.match.domains = {"elsewhere.internal"};
  ListeningPeer other;
  route_.backends.push_back({{.socket = other.address()}});
  config_.routes.push_back(Route());
  config_.routes[1].name = "second";
  config_.routes[1].backends.push_back({{.socket = backend_->address()}});
  StartRouter();
  ConnectThrough();
  EXPECT_EQ(other.Accept(), nullptr);
  EXPECT_NE(DumpRecords().find("second"), std::string::npos);
}

TEST_F(RouteChoice, PassthroughGivesTheBackendTheHelloAsItWas) {
  route_.tls_mode = TlsMode::kPassthrough;
  StartRouter();
  client_ = ConnectTls();
  ASSERT_TRUE(Until([this] {
    if (backend_peer_ == nullptr) backend_peer_ = backend_->Accept();
    return backend_peer_ != nullptr && !backend_peer_->received().empty();
  }));
  // A handshake record with a ClientHello (RFC 8446, 5.1 and 4).
  EXPECT_EQ(backend_peer_->received()[0], 22);
  EXPECT_EQ(backend_peer_->received()[5], 1);
  EXPECT_NE(backend_peer_->received().find("localhost"), std::string::npos);
}

TEST_F(RouteChoice, ARoutesOwnLimitIsARouteLimit) {
  route_.limits.connections = 1;
  StartRouter();
  ConnectThrough();
  auto second = ConnectTls();
  ASSERT_TRUE(Until([&] { return second->Step(), second->end() != StreamEnd::kOpen; }));
  second->socket().Fin();
  ASSERT_TRUE(Until([&] { return live_connections() == 1; }));
  EXPECT_EQ(Ended(Reason::kRouteLimit), 1u);
}

}  // namespace
}  // namespace tlsbridge::testing
