#include "router/kernel/flow_filter.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>

namespace tlsbridge::kernel {
namespace {

constexpr uint32_t kAll = 0xffffffff;
constexpr uint32_t kNone = 0;

constexpr sock_filter Do(uint16_t code, uint32_t k) { return {code, 0, 0, k}; }
constexpr sock_filter If(uint16_t code, uint32_t k, uint8_t then_skip, uint8_t else_skip) {
  return {static_cast<uint16_t>(BPF_JMP | code | BPF_K), then_skip, else_skip, k};
}
// The attribute X of the block at A; its offset, or 0 if there is none.
constexpr sock_filter Find(uint32_t how) {
  return Do(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(SKF_AD_OFF) + how);
}

// The program reads in the network's order what is in the machine's.
uint32_t Swapped(uint16_t value) { return htons(value); }

}  // namespace

absl::Span<const sock_filter> FlowFilter() {
  constexpr uint32_t kAttributes = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(nfgenmsg));
  static const sock_filter program[] = {
      // News of a flow that is there already.
      Do(BPF_LD | BPF_H | BPF_ABS, offsetof(nlmsghdr, nlmsg_type)),
      If(BPF_JEQ, Swapped(NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW), 0, 17),
      Do(BPF_LD | BPF_H | BPF_ABS, offsetof(nlmsghdr, nlmsg_flags)),
      If(BPF_JSET, Swapped(NLM_F_CREATE | NLM_F_EXCL), 15, 0),
      // Its state.
      Do(BPF_LD | BPF_IMM, kAttributes),
      Do(BPF_LDX | BPF_IMM, CTA_PROTOINFO),
      Find(SKF_AD_NLATTR),
      If(BPF_JEQ, 0, 11, 0),
      Do(BPF_LDX | BPF_IMM, CTA_PROTOINFO_TCP),
      Find(SKF_AD_NLATTR_NEST),
      If(BPF_JEQ, 0, 8, 0),
      Do(BPF_LDX | BPF_IMM, CTA_PROTOINFO_TCP_STATE),
      Find(SKF_AD_NLATTR_NEST),
      If(BPF_JEQ, 0, 5, 0),
      Do(BPF_MISC | BPF_TAX, 0),
      Do(BPF_LD | BPF_B | BPF_IND, NLA_HDRLEN),
      If(BPF_JEQ, TCP_CONNTRACK_SYN_RECV, 3, 0),
      If(BPF_JEQ, TCP_CONNTRACK_CLOSE_WAIT, 2, 0),
      If(BPF_JEQ, TCP_CONNTRACK_LAST_ACK, 1, 0),
      Do(BPF_RET | BPF_K, kAll),
      Do(BPF_RET | BPF_K, kNone),
  };
  return program;
}

}  // namespace tlsbridge::kernel
