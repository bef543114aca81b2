// What another process hands over: a datagram of it, or, behind a first byte of 0, the state. What
// is taken is written as it came, but for sections that are passed over.

#include <stdint.h>
#include <string.h>

#include "absl/types/span.h"
#include "router/handover/packet.h"
#include "router/handover/state.h"
#include "tests/fuzz/fuzz_check.h"

using tlsbridge::DecodeState;
using tlsbridge::EncodePacket;
using tlsbridge::EncodeState;
using tlsbridge::ParsePacket;

namespace {

void TakeState(absl::Span<const uint8_t> bytes) {
  const auto state = DecodeState(bytes);
  if (!state.ok()) {
    FUZZ_CHECK(!state.status().message().empty());
    return;
  }
  const tlsbridge::SecretBytes written = EncodeState(*state);
  const auto again = DecodeState(written.span());
  FUZZ_CHECK(again.ok());
  FUZZ_CHECK(again->descriptors() == state->descriptors());
  const tlsbridge::SecretBytes same = EncodeState(*again);
  FUZZ_CHECK(same.span() == written.span());
}

void TakePacket(absl::Span<const uint8_t> bytes) {
  const auto packet = ParsePacket(bytes);
  if (!packet.ok()) {
    FUZZ_CHECK(!packet.status().message().empty());
    return;
  }
  const tlsbridge::SecretBytes written = EncodePacket(*packet);
  const auto again = ParsePacket(written.span());
  FUZZ_CHECK(again.ok());
  FUZZ_CHECK(again->kind == packet->kind);
  FUZZ_CHECK(again->bytes == packet->bytes);
  FUZZ_CHECK(again->taken == packet->taken);
  FUZZ_CHECK(again->reason == packet->reason);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::Span<const uint8_t> bytes(data, size);
  if (size > 0 && data[0] == 0) {
    TakeState(bytes.subspan(1));
  } else {
    TakePacket(bytes);
  }
  return 0;
}
