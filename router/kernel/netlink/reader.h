// Reads what came from a netlink socket, and believes no length in it: a message or attribute that
// does not fit into what is left ends the reading.
//
// Thread: any; values that point into the caller's bytes, which must outlive them. Failure: what is
// missing or has another size is nullopt.
#pragma once

#include <stdint.h>

#include <optional>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace tlsbridge::netlink {

struct Message {
  uint16_t type = 0;
  uint16_t flags = 0;
  uint32_t sequence = 0;
  absl::Span<const uint8_t> payload;
};

// Takes the message at the front of `bytes` off; false if none is left, or what is left is none.
bool TakeMessage(absl::Span<const uint8_t>* bytes, Message* message);

// The attributes of a payload or of a nested attribute. Of several of one type the first counts.
class Attributes {
 public:
  Attributes() = default;
  explicit Attributes(absl::Span<const uint8_t> bytes) : bytes_(bytes) {}

  std::optional<absl::Span<const uint8_t>> Find(uint16_t type) const;
  std::optional<uint8_t> U8(uint16_t type) const;
  std::optional<uint16_t> U16(uint16_t type) const;
  std::optional<uint32_t> U32(uint16_t type) const;
  std::optional<uint64_t> U64(uint16_t type) const;
  absl::string_view Text(uint16_t type) const;  // up to its zero; empty if there is none
  Attributes Nested(uint16_t type) const;       // empty if there is none

  // Takes the first off: its type, without the flags, and its bytes.
  bool Take(uint16_t* type, absl::Span<const uint8_t>* value);

 private:
  absl::Span<const uint8_t> bytes_;
};

// The payload of a netfilter message: struct nfgenmsg, then attributes.
struct NetfilterPayload {
  uint8_t family = 0;
  uint16_t resource = 0;
  Attributes attributes;
};
std::optional<NetfilterPayload> ReadNetfilter(absl::Span<const uint8_t> payload);

}  // namespace tlsbridge::netlink
