#include "router/kernel/netlink/flow_message.h"

#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <string.h>

#include <algorithm>

namespace tlsbridge::netlink {
namespace {

using Bytes = absl::Span<const uint8_t>;

bool ReadAddress(const Attributes& attributes, uint16_t v4, uint16_t v6, IpBytes* address) {
  const Bytes four = attributes.Find(v4).value_or(Bytes());
  if (four.size() == 4) {
    *address = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    std::copy(four.begin(), four.end(), address->begin() + 12);
    return true;
  }
  const Bytes six = attributes.Find(v6).value_or(Bytes());
  if (six.size() != address->size()) return false;
  std::copy(six.begin(), six.end(), address->begin());
  return true;
}

bool ReadTuple(const Attributes& attributes, FlowTuple* tuple) {
  const Attributes ip = attributes.Nested(CTA_TUPLE_IP);
  const Attributes protocol = attributes.Nested(CTA_TUPLE_PROTO);
  const auto source_port = protocol.U16(CTA_PROTO_SRC_PORT);
  const auto destination_port = protocol.U16(CTA_PROTO_DST_PORT);
  if (protocol.U8(CTA_PROTO_NUM) != IPPROTO_TCP || !source_port || !destination_port) return false;
  tuple->source_port = *source_port;
  tuple->destination_port = *destination_port;
  return ReadAddress(ip, CTA_IP_V4_SRC, CTA_IP_V6_SRC, &tuple->source) &&
         ReadAddress(ip, CTA_IP_V4_DST, CTA_IP_V6_DST, &tuple->destination);
}

std::optional<FlowCounters> ReadCounters(const Attributes& counters) {
  const auto packets = counters.U64(CTA_COUNTERS_PACKETS);
  const auto bytes = counters.U64(CTA_COUNTERS_BYTES);
  if (!packets || !bytes) return std::nullopt;
  return FlowCounters{*packets, *bytes};
}

uint8_t ReadFlags(const Attributes& tcp, uint16_t type) {
  nf_ct_tcp_flags flags = {};
  const Bytes bytes = tcp.Find(type).value_or(Bytes());
  if (bytes.size() == sizeof(flags)) memcpy(&flags, bytes.data(), sizeof(flags));
  return flags.flags;
}

}  // namespace

std::optional<FlowMessage> ReadFlow(const Message& message) {
  if (message.type >> 8 != NFNL_SUBSYS_CTNETLINK) return std::nullopt;
  const auto payload = ReadNetfilter(message.payload);
  if (!payload) return std::nullopt;
  const Attributes& attributes = payload->attributes;
  FlowMessage flow;
  switch (message.type & 0xff) {
    case IPCTNL_MSG_CT_NEW: {
      // An event of a flow that is there already has neither flag; a dump's entry has NLM_F_MULTI.
      const bool is_new = (message.flags & (NLM_F_CREATE | NLM_F_EXCL | NLM_F_MULTI)) != 0;
      flow.kind = is_new ? FlowMessage::Kind::kNew : FlowMessage::Kind::kUpdate;
      break;
    }
    case IPCTNL_MSG_CT_DELETE:
      flow.kind = FlowMessage::Kind::kDestroy;
      break;
    default:
      return std::nullopt;
  }
  const auto id = attributes.U32(CTA_ID);
  if (!id || !ReadTuple(attributes.Nested(CTA_TUPLE_ORIG), &flow.original) ||
      !ReadTuple(attributes.Nested(CTA_TUPLE_REPLY), &flow.reply)) {
    return std::nullopt;
  }
  flow.id = *id;
  const Attributes tcp = attributes.Nested(CTA_PROTOINFO).Nested(CTA_PROTOINFO_TCP);
  flow.tcp_state = tcp.U8(CTA_PROTOINFO_TCP_STATE);
  flow.client_flags = ReadFlags(tcp, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL);
  flow.backend_flags = ReadFlags(tcp, CTA_PROTOINFO_TCP_FLAGS_REPLY);
  flow.client_bytes = ReadCounters(attributes.Nested(CTA_COUNTERS_ORIG));
  flow.backend_bytes = ReadCounters(attributes.Nested(CTA_COUNTERS_REPLY));
  const Attributes times = attributes.Nested(CTA_TIMESTAMP);
  flow.started = times.U64(CTA_TIMESTAMP_START);
  flow.stopped = times.U64(CTA_TIMESTAMP_STOP);
  return flow;
}

}  // namespace tlsbridge::netlink
