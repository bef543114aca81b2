// News of flows that the program does not read in time is thrown away by the kernel: what there is
// then is asked for.

#include <signal.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/support/kernel_test.h"

namespace tlsbridge::e2e {
namespace {

using ::testing::UnorderedElementsAre;

class KernelEventsTest : public KernelTest {
 protected:
  static constexpr char kRefusing[] = "10.7.1.1:444";

  // Besides the usual route one whose backend refuses, which makes flows that are over at once.
  std::string ConfigWithRefusing() {
    return R"(
listeners: [{address: "10.7.1.1:443"}, {address: "10.7.1.1:444"}]
routes:
- name: mail
  match: {ports: [443]}
  forwarding_engine: nftables
  tls: {mode: passthrough}
  backends: [{address: "10.7.2.11:9001"}]
- name: refusing
  match: {ports: [444]}
  forwarding_engine: nftables
  tls: {mode: passthrough}
  ejection: {after_failures: 0}
  backends: [{address: "10.7.2.13:9001"}]
)";
  }
  // How much news of the program's the kernel has thrown away.
  int Dropped() {
    const std::string drops =
        OnRouter("awk '$2 == 12 && $4 == \"00000007\" {print $9}' /proc/net/netlink").output;
    int dropped = -1;
    EXPECT_TRUE(absl::SimpleAtoi(drops, &dropped)) << drops;
    return dropped;
  }
  std::vector<std::string> Peers() {
    std::vector<std::string> peers;
    const nlohmann::json dump = tlsbridge().Dump();
    for (const nlohmann::json& record : dump["records"]) peers.push_back(record["peer"]);
    return peers;
  }
  // The one that is not among those.
  std::string NewPeer(const std::vector<std::string>& known) {
    for (const std::string& peer : Peers()) {
      if (std::find(known.begin(), known.end(), peer) == known.end()) return peer;
    }
    return "none";
  }
  bool Ended(const std::string& peer) {
    return tlsbridge()
        .WaitForEvent("connection_end", [&](const auto& end) { return end["peer"] == peer; })
        .has_value();
  }
};

TEST_F(KernelEventsTest, WhatWasLostIsToldOfAndNoRecordIsLostForEver) {
  Serve(11);
  ASSERT_NO_FATAL_FAILURE(Start(ConfigWithRefusing()));
  Talk ends = Open();
  ASSERT_EQ(ends.backend, "11");
  const std::string ending = NewPeer({});
  Talk stays = Open();
  ASSERT_EQ(stays.backend, "11");
  const std::string staying = NewPeer({ending});
  ASSERT_NE(staying, "none");

  tlsbridge().process().SendSignal(SIGSTOP);
  for (int i = 0; i < 200 && Dropped() == 0; ++i) {
    net().client.Enter();
    for (int k = 0; k < 1000; ++k) EXPECT_FALSE(Socket::Connect(kRefusing).ok());
  }
  ASSERT_GT(Dropped(), 0);
  // Nobody hears of these.
  ends.socket->Reset();
  Talk begins = Open();
  EXPECT_EQ(begins.backend, "11");
  tlsbridge().process().SendSignal(SIGCONT);

  const auto lost = tlsbridge().WaitForEvent("kernel_events_lost");
  ASSERT_TRUE(lost);
  EXPECT_GE((*lost)["times"], 1);
  EXPECT_TRUE(Ended(ending));
  const std::string beginning = NewPeer({ending, staying});
  EXPECT_THAT(Peers(), UnorderedElementsAre(staying, beginning));
  EXPECT_TRUE(stays.Talks());
  stays.socket->Close();
  begins.socket->Close();
  EXPECT_TRUE(Ended(staying));
  EXPECT_TRUE(Ended(beginning));
  EXPECT_THAT(Peers(), UnorderedElementsAre());
}

}  // namespace
}  // namespace tlsbridge::e2e
