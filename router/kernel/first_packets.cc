#include "router/kernel/first_packets.h"

#include <arpa/inet.h>  // before the kernel's headers, which then leave out what it has
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <algorithm>
#include <optional>
#include <string>

#include "router/kernel/netfilter_socket.h"

namespace tlsbridge::kernel {
namespace {

// Where the port that was dialled is in a key; nullopt if it is not there.
std::optional<size_t> PortOffset(const Key& key) {
  size_t offset = 0;
  for (const Field field : key.fields) {
    if (field == Field::kDestinationPort) return offset;
    const bool is_address = field == Field::kSource || field == Field::kDestination;
    offset += is_address && key.family == Family::kV6 ? 16 : 4;
  }
  return std::nullopt;
}

std::optional<uint64_t> Packets(const netlink::Attributes& element) {
  const netlink::Attributes counter = element.Nested(NFTA_SET_ELEM_EXPR).Nested(NFTA_EXPR_DATA);
  return counter.U64(NFTA_COUNTER_PACKETS);
}

}  // namespace

absl::StatusOr<std::map<uint16_t, uint64_t>> CountFirstPackets(const Ruleset& rules) {
  auto socket = NetfilterSocket::Open();
  if (!socket.ok()) return socket.status();
  // By the key of an element. One map may send on to another, which then counts the same packets.
  std::map<std::string, uint64_t> by_key;
  std::map<uint16_t, uint64_t> counts;
  for (const auto& [name, set] : rules.sets) {
    const std::optional<size_t> offset = PortOffset(set.key);
    if (!set.has_counters() || !offset) continue;
    netlink::Writer question;
    question.Begin(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSETELEM, NLM_F_DUMP, NFPROTO_INET);
    question.AddString(NFTA_SET_ELEM_LIST_TABLE, rules.table);
    question.AddString(NFTA_SET_ELEM_LIST_SET, name);
    absl::Status status = (*socket)->Ask(&question, [&](const netlink::Message& message) {
      const auto payload = netlink::ReadNetfilter(message.payload);
      if (!payload) return;
      netlink::Attributes elements = payload->attributes.Nested(NFTA_SET_ELEM_LIST_ELEMENTS);
      uint16_t type = 0;
      absl::Span<const uint8_t> bytes;
      while (elements.Take(&type, &bytes)) {
        const netlink::Attributes element(bytes);
        const auto key = element.Nested(NFTA_SET_ELEM_KEY).Find(NFTA_DATA_VALUE);
        const std::optional<uint64_t> packets = Packets(element);
        if (!key || !packets || key->size() < *offset + 2) continue;
        const auto port = static_cast<uint16_t>((*key)[*offset] << 8 | (*key)[*offset + 1]);
        uint64_t& known = by_key[std::string(key->begin(), key->end())];
        if (*packets <= known) continue;
        counts[port] += *packets - known;
        known = *packets;
      }
    });
    if (!status.ok()) return status;
  }
  return counts;
}

}  // namespace tlsbridge::kernel
