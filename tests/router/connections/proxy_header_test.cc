// A PROXY header in front of the ClientHello, however it arrives.

#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "tests/support/router_fixture.h"

namespace tlsbridge::testing {
namespace {

using Reason = TerminationReason;

constexpr char kLine[] = "PROXY TCP4 10.1.2.3 10.4.5.6 1000 443\r\n";
// Version 2, LOCAL: a health check of the proxy's own, which names nobody.
const std::string kLocal("\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00", 16);

class ProxyHeaderIn : public RouterFixture {
 protected:
  void SetUp() override {
    RouterFixture::SetUp();
    config_.listeners.emplace_back();
    config_.listeners[0].address = *SocketAddress::Parse("127.0.0.1:0");
    config_.listeners[0].proxy_protocol_from = {*Cidr::Parse("127.0.0.0/8")};
  }
  // A client whose first bytes are `first`, and then `rest` once the router has seen them, with
  // its hello at once behind.
  std::unique_ptr<TlsPeer> ConnectWith(const std::string& first, const std::string& rest = "") {
    auto socket = ConnectClient();
    socket->Send(first);
    if (!rest.empty()) {
      Settle();
      socket->Send(rest);
    }
    return std::make_unique<TlsPeer>(std::move(socket), TlsPeer::Options());
  }
  bool IsServed(TlsPeer* client) {
    return Until([client] { return client->Step(), client->handshake_done(); });
  }
  bool RecordsHave(const std::string& text) {
    return DumpRecords().find(text) != std::string::npos;
  }
};

TEST_F(ProxyHeaderIn, MayBeSplitAnywhere) {
  StartRouter();
  const std::string line = kLine;
  for (size_t at = 1; at < line.size(); ++at) {
    auto client = ConnectWith(line.substr(0, at), line.substr(at));
    ASSERT_TRUE(IsServed(client.get())) << "split at " << at;
    EXPECT_TRUE(RecordsHave("10.1.2.3:1000")) << "split at " << at;
    client->socket().Reset();
    ASSERT_TRUE(Until([this] { return live_connections() == 0; }));
  }
}

TEST_F(ProxyHeaderIn, MayComeInOneSegmentWithTheHello) {
  StartRouter();
  auto client = ConnectWith(kLine);
  ASSERT_TRUE(IsServed(client.get()));
  EXPECT_TRUE(RecordsHave("10.1.2.3:1000"));
}

TEST_F(ProxyHeaderIn, LocalKeepsThePeersOwnAddress) {
  StartRouter();
  auto client = ConnectWith(kLocal);
  ASSERT_TRUE(IsServed(client.get()));
  EXPECT_TRUE(RecordsHave("127.0.0.1:"));
}

TEST_F(ProxyHeaderIn, LimitsCountTheClientThatItNames) {
  config_.limits.connections_per_ip = 1;
  StartRouter();
  auto first = ConnectWith(kLine);
  ASSERT_TRUE(IsServed(first.get()));
  auto other = ConnectWith("PROXY TCP4 10.1.2.4 10.4.5.6 1000 443\r\n");
  ASSERT_TRUE(IsServed(other.get()));
  auto second = ConnectWith(kLine);
  ASSERT_TRUE(Until([&] { return second->Step(), second->end() != StreamEnd::kOpen; }));
  second->socket().Fin();
  ASSERT_TRUE(Until([this] { return live_connections() == 2; }));
  EXPECT_EQ(Ended(Reason::kIpLimit), 1u);
}

TEST_F(ProxyHeaderIn, WhoMustSendOneAndDoesNotIsRefused) {
  StartRouter();
  auto client = ConnectTls();
  ASSERT_TRUE(Until([&] { return client->Step(), client->end() != StreamEnd::kOpen; }));
  client->socket().Fin();
  ASSERT_TRUE(Until([this] { return live_connections() == 0; }));
  EXPECT_EQ(Ended(Reason::kProxyHeader), 1u);
}

TEST_F(ProxyHeaderIn, HasTheTimeOfTheHandshakeAndNoMore) {
  StartRouter();
  auto client = ConnectClient();
  client->Send(std::string(kLine).substr(0, 20));
  Settle();
  Advance(route_.timeouts.handshake - absl::Milliseconds(1));
  EXPECT_EQ(live_connections(), 1u);
  Advance(absl::Milliseconds(1));
  ASSERT_TRUE(Until([&] { return client->Step(), client->end() != StreamEnd::kOpen; }));
  client->Fin();
  ASSERT_TRUE(Until([this] { return live_connections() == 0; }));
  EXPECT_EQ(Ended(Reason::kHandshakeTimeout), 1u);
}

TEST_F(ProxyHeaderIn, ThatIsTooLongIsRefusedAsSoonAsThatIsKnown) {
  StartRouter();
  auto client = ConnectClient();
  // Section 2.1: no line is longer than 107 bytes, its end included.
  client->Send("PROXY UNKNOWN " + std::string(100, 'x'));
  ASSERT_TRUE(Until([&] { return client->Step(), client->end() != StreamEnd::kOpen; }));
  client->Fin();
  ASSERT_TRUE(Until([this] { return live_connections() == 0; }));
  EXPECT_EQ(Ended(Reason::kProxyHeader), 1u);
}

}  // namespace
}  // namespace tlsbridge::testing
