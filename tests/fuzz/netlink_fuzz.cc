// A datagram of a netlink socket: whatever is in it is read without a byte beyond its end, and what
// was read of a flow or an answer keeps what its types promise.

#include <stdint.h>

#include <string>

#include "router/kernel/netlink/answer.h"
#include "router/kernel/netlink/flow_message.h"
#include "router/kernel/netlink/reader.h"
#include "tests/fuzz/fuzz_check.h"

namespace {

using tlsbridge::netlink::Attributes;
using tlsbridge::netlink::Message;
using Bytes = absl::Span<const uint8_t>;

// Every attribute, as deep as they nest.
void Walk(Attributes attributes, int depth) {
  uint16_t type = 0;
  Bytes value;
  uint8_t sum = 0;
  while (attributes.Take(&type, &value)) {
    for (const uint8_t byte : value) sum ^= byte;
    if (depth > 0) Walk(Attributes(value), depth - 1);
  }
  // So that the reading is not left out.
  asm volatile("" : : "r"(sum));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Bytes rest(data, size);
  Message message;
  size_t left = rest.size();
  while (tlsbridge::netlink::TakeMessage(&rest, &message)) {
    FUZZ_CHECK(rest.size() < left);
    left = rest.size();
    if (const auto payload = tlsbridge::netlink::ReadNetfilter(message.payload)) {
      Walk(payload->attributes, 4);
    }
    const auto answer = tlsbridge::netlink::ReadAnswer(message);
    if (answer) FUZZ_CHECK(answer->text.find('\0') == std::string::npos);
    const auto flow = tlsbridge::netlink::ReadFlow(message);
    FUZZ_CHECK(!answer || !flow);
    if (flow && flow->client_bytes) FUZZ_CHECK(message.payload.size() > 60);
  }
  return 0;
}
