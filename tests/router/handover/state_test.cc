// What is handed over, as bytes: all of it comes back, and nothing else is believed.

#include "router/handover/state.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

using ::testing::HasSubstr;
using Use = InheritedSockets::Use;

HandoverState Full() {
  HandoverState state;
  state.generation = 7;
  state.draining = {{5, 4711, true}, {6, 4712, false}};
  state.sockets = {{Use::kListener, false, false, *SocketAddress::Parse("127.0.0.1:0")},
                   {Use::kListener, false, true, *SocketAddress::Parse("127.0.0.1:0")},
                   {Use::kListener, true, false, *SocketAddress::Parse("unix:/run/app.sock")},
                   {Use::kListener, false, false, *SocketAddress::Parse("unix:@abstract")},
                   {Use::kAdmin, false, false, *SocketAddress::Parse("[::1]:9000")}};
  tls::TicketSecrets::Random random;
  random.rotates_in = absl::Hours(3);
  random.secrets.resize(2);
  random.secrets[0].bytes.fill(0xAB);
  random.secrets[1].bytes.fill(0xCD);
  random.secrets[1].old = true;
  state.tickets = {{"orders", random}};
  state.rates = {{"", {{"10.0.0.1", 29'000'000, 3, 4}}}, {"orders", {}}};
  state.kernel = {.table = "edge", .keep = true};
  return state;
}

std::vector<uint8_t> BytesOf(const HandoverState& state) {
  const SecretBytes bytes = EncodeState(state);
  return {bytes.span().begin(), bytes.span().end()};
}

std::string WhyNot(const std::vector<uint8_t>& bytes) {
  return std::string(DecodeState(bytes).status().message());
}

TEST(HandoverState, ComesBackAsItWas) {
  const std::vector<uint8_t> bytes = BytesOf(Full());
  const auto state = DecodeState(bytes);
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(BytesOf(*state), bytes);
  EXPECT_EQ(state->generation, 7u);
  EXPECT_EQ(state->sockets.size(), 5u);
  EXPECT_TRUE(state->sockets[1].of_unit);
  EXPECT_TRUE(state->sockets[2].owns_path);
  EXPECT_EQ(state->sockets[4].use, Use::kAdmin);
  EXPECT_EQ(state->tickets[0].random.rotates_in, absl::Hours(3));
  EXPECT_EQ(state->tickets[0].random.secrets[1].bytes[31], 0xCD);
  EXPECT_TRUE(state->tickets[0].random.secrets[1].old);
  EXPECT_EQ(state->rates[0].clients[0].new_in_last_minute, 4);
  ASSERT_TRUE(state->kernel.has_value());
  EXPECT_EQ(state->kernel->table, "edge");
  EXPECT_TRUE(state->kernel->keep);
  EXPECT_EQ(state->descriptors(), 8u) << "sockets, a generation, the kernel's two";
}

TEST(HandoverState, CutAnywhereItIsRefused) {
  const std::vector<uint8_t> bytes = BytesOf(Full());
  // Where a section that need not be there ends, the beginning is a whole.
  int wholes = 0;
  for (size_t size = 0; size < bytes.size(); ++size) {
    wholes += DecodeState(absl::MakeConstSpan(bytes).first(size)).ok() ? 1 : 0;
  }
  EXPECT_EQ(wholes, 3);
}

TEST(HandoverState, ASectionThatMattersAndIsNotKnownIsRefusedWithWhatToDo) {
  std::vector<uint8_t> bytes = BytesOf(Full());
  bytes.insert(bytes.end(), {0x00, 0x77, 0, 0, 0, 1, 42});
  EXPECT_THAT(WhyNot(bytes), HasSubstr("does not know section 119"));
  EXPECT_THAT(WhyNot(bytes), HasSubstr("stop that one and start this one instead"));
}

TEST(HandoverState, ASectionThatMayBeSkippedIs) {
  std::vector<uint8_t> bytes = BytesOf(Full());
  bytes.insert(bytes.end(), {0x80, 0x77, 0, 0, 0, 1, 42});
  EXPECT_TRUE(DecodeState(bytes).ok()) << WhyNot(bytes);
}

// A process that would not know what the kernel forwards would end it.
TEST(HandoverState, TheKernelsTableMustNotBePassedOver) {
  HandoverState state;
  state.kernel = {.table = "edge"};
  const std::vector<uint8_t> bytes = BytesOf(state);
  HandoverState without;
  EXPECT_EQ(bytes[BytesOf(without).size()] & kMayBeSkipped >> 8, 0);
}

TEST(HandoverState, WhatComesTwiceOrIsMissingIsRefused) {
  std::vector<uint8_t> twice = BytesOf(Full());
  const std::vector<uint8_t> once = twice;
  twice.insert(twice.end(), once.begin(), once.end());
  EXPECT_THAT(WhyNot(twice), HasSubstr("comes twice"));
  EXPECT_THAT(WhyNot({}), HasSubstr("is missing"));
}

TEST(HandoverState, ANumberOfThingsThatCannotBeThereReservesNothing) {
  // Generations: number 1, then 4 billion of them in no bytes.
  EXPECT_THAT(WhyNot({0, 1, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 1, 255, 255, 255, 255}),
              HasSubstr("section 1"));
}

}  // namespace
}  // namespace tlsbridge
