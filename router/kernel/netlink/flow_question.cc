#include "router/kernel/netlink/flow_question.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>

#include "absl/types/span.h"

namespace tlsbridge::netlink {
namespace {

bool IsV4(const IpBytes& address) {
  return std::all_of(address.begin(), address.begin() + 10, [](uint8_t b) { return b == 0; }) &&
         address[10] == 0xff && address[11] == 0xff;
}

void Begin(int type, uint16_t flags, uint8_t family, Writer* out) {
  out->Begin(static_cast<uint16_t>(NFNL_SUBSYS_CTNETLINK << 8 | type), flags, family);
}

void AddTuple(const FlowTuple& tuple, Writer* out) {
  const bool v4 = IsV4(tuple.source);
  const auto address = [&](uint16_t type, const IpBytes& bytes) {
    out->AddBytes(type, absl::Span<const uint8_t>(bytes).subspan(v4 ? 12 : 0));
  };
  out->Nest(CTA_TUPLE_ORIG, [&] {
    out->Nest(CTA_TUPLE_IP, [&] {
      address(v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, tuple.source);
      address(v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, tuple.destination);
    });
    out->Nest(CTA_TUPLE_PROTO, [&] {
      out->AddU8(CTA_PROTO_NUM, IPPROTO_TCP);
      out->AddU16(CTA_PROTO_SRC_PORT, tuple.source_port);
      out->AddU16(CTA_PROTO_DST_PORT, tuple.destination_port);
    });
  });
}

uint8_t FamilyOf(const FlowTuple& tuple) { return IsV4(tuple.source) ? AF_INET : AF_INET6; }

}  // namespace

void AskForFlows(Writer* out) { Begin(IPCTNL_MSG_CT_GET, NLM_F_DUMP, AF_UNSPEC, out); }

void AskForFlow(const FlowTuple& original, Writer* out) {
  Begin(IPCTNL_MSG_CT_GET, 0, FamilyOf(original), out);
  AddTuple(original, out);
}

void ForgetFlow(const FlowTuple& original, uint32_t id, Writer* out) {
  Begin(IPCTNL_MSG_CT_DELETE, NLM_F_ACK, FamilyOf(original), out);
  AddTuple(original, out);
  out->AddU32(CTA_ID, id);
}

}  // namespace tlsbridge::netlink
