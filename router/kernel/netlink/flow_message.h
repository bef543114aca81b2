// What the kernel's connection tracking says of one flow: an event, or an entry of a dump.
//
// Thread: any; pure. Failure: nullopt for what is no TCP flow of IPv4 or IPv6 with both directions,
// or has no number.
#pragma once

#include <stdint.h>

#include <optional>

#include "router/config/cidr.h"
#include "router/kernel/netlink/reader.h"

namespace tlsbridge::netlink {

struct FlowTuple {
  IpBytes source = {};
  IpBytes destination = {};
  uint16_t source_port = 0;
  uint16_t destination_port = 0;

  bool operator==(const FlowTuple&) const = default;
};

struct FlowCounters {
  uint64_t packets = 0;
  uint64_t bytes = 0;

  bool operator==(const FlowCounters&) const = default;
};

struct FlowMessage {
  // Of the entry of a dump, too: kNew.
  enum class Kind : uint8_t { kNew, kUpdate, kDestroy };
  Kind kind = Kind::kNew;
  uint32_t id = 0;
  FlowTuple original;                // as the client sent it
  FlowTuple reply;                   // as the backend answers: its source is the backend
  std::optional<uint8_t> tcp_state;  // TCP_CONNTRACK_...
  // IP_CT_TCP_FLAG_...
  uint8_t client_flags = 0;
  uint8_t backend_flags = 0;
  // None if accounting was off when the flow began.
  std::optional<FlowCounters> client_bytes;
  std::optional<FlowCounters> backend_bytes;
  // Nanoseconds since 1970; none if timestamps were off when the flow began.
  std::optional<uint64_t> started;
  std::optional<uint64_t> stopped;
};

std::optional<FlowMessage> ReadFlow(const Message& message);

}  // namespace tlsbridge::netlink
