// A client that sends its bytes in a TLS record each costs a worker far more than others do for as
// much; it gets the less of each turn.

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "tests/support/router_fixture.h"

namespace tlsbridge::testing {
namespace {

class TinyRecords : public RouterFixture, public ::testing::WithParamInterface<uint16_t> {};

TEST_P(TinyRecords, AreFewInATurnAndOthersAreServedInBetween) {
  constexpr size_t kRecords = 20'000;
  StartRouter();
  ConnectThrough();
  const std::unique_ptr<TlsPeer> neighbour = std::move(client_);
  const std::unique_ptr<Peer> neighbours_backend = std::move(backend_peer_);
  ConnectThrough({.version = GetParam()});
  for (size_t i = 0; i < kRecords; ++i) client_->Send("x");

  size_t turns = 0;
  size_t most_in_a_turn = 0;  // behind the first read, which tells
  while (backend_peer_->received().size() < kRecords && turns < kRecords) {
    const size_t before = backend_peer_->received().size();
    neighbour->Send("n");
    loop_->Turn(/*wait=*/false);
    client_->Step();
    backend_peer_->Step();
    neighbours_backend->Step();
    ++turns;
    ASSERT_EQ(neighbours_backend->received().size(), turns);
    if (before > 0) {
      most_in_a_turn = std::max(most_in_a_turn, backend_peer_->received().size() - before);
    }
  }
  EXPECT_EQ(backend_peer_->received(), std::string(kRecords, 'x'));
  EXPECT_GT(most_in_a_turn, 0u);
  EXPECT_LE(most_in_a_turn, 400u);
}

INSTANTIATE_TEST_SUITE_P(Versions, TinyRecords, ::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& info) {
                           return info.param == TLS1_2_VERSION ? "Tls12" : "Tls13";
                         });

}  // namespace
}  // namespace tlsbridge::testing
