#include "router/kernel/rule_encoder.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>

#include <string>

#include "absl/types/span.h"

namespace tlsbridge::kernel {
namespace {

using Bytes = absl::Span<const uint8_t>;

// The registers of four bytes, counted from 0. The first has the name of its block of sixteen.
constexpr uint32_t kFirstBlock = NFT_REG_1;
uint32_t Register(uint32_t word) { return word == 0 ? kFirstBlock : NFT_REG32_00 + word; }

// In the machine's own order, as the kernel's own values are.
Bytes Native(const uint32_t& value) {
  return {reinterpret_cast<const uint8_t*>(&value), sizeof(value)};
}

uint32_t NfProto(Family family) { return family == Family::kV4 ? NFPROTO_IPV4 : NFPROTO_IPV6; }
uint32_t AddressBytes(Family family) { return family == Family::kV4 ? 4 : 16; }

class RuleEncoder {
 public:
  explicit RuleEncoder(netlink::Writer* out) : out_(*out) {}

  void operator()(const IsOfFamily& s) { NeedFamily(s.family); }
  void operator()(const IsTcp&) { NeedTcp(); }
  void operator()(const IsSyn&) {
    constexpr uint8_t kFin = 1;
    constexpr uint8_t kSyn = 2;
    constexpr uint8_t kRst = 4;
    constexpr uint8_t kAck = 16;
    NeedTcp();
    Payload(NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1, 0);
    const uint8_t mask = kFin | kSyn | kRst | kAck;
    const uint8_t zero = 0;
    And({&mask, 1}, {&zero, 1});
    const uint8_t syn = kSyn;
    Compare(NFT_CMP_EQ, {&syn, 1});
  }
  void operator()(const IsInvalid&) { HasCtBit(NFT_CT_STATE, NF_CT_STATE_INVALID_BIT); }
  void operator()(const IsForwarded&) { HasCtBit(NFT_CT_STATUS, IPS_DST_NAT); }
  void operator()(const IsToThisMachine&) {
    Expression("fib", [&] {
      out_.AddU32(NFTA_FIB_DREG, Register(0));
      out_.AddU32(NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
      out_.AddU32(NFTA_FIB_FLAGS, NFTA_FIB_F_DADDR);
    });
    const uint32_t local = RTN_LOCAL;
    Compare(NFT_CMP_EQ, Native(local));
  }
  void operator()(const IsIn& s) {
    Load(s.key);
    Expression("lookup", [&] {
      out_.AddString(NFTA_LOOKUP_SET, s.set);
      out_.AddU32(NFTA_LOOKUP_SREG, Register(0));
    });
  }
  void operator()(const IsTurn& s) {
    Expression("numgen", [&] {
      out_.AddU32(NFTA_NG_DREG, Register(0));
      out_.AddU32(NFTA_NG_MODULUS, s.of);
      out_.AddU32(NFTA_NG_TYPE, NFT_NG_INCREMENTAL);
      out_.AddU32(NFTA_NG_OFFSET, 0);
    });
    if (s.first == 1) {
      const uint32_t zero = 0;
      Compare(NFT_CMP_EQ, Native(zero));
      return;
    }
    // "Less" compares byte by byte from the first.
    Expression("byteorder", [&] {
      out_.AddU32(NFTA_BYTEORDER_SREG, Register(0));
      out_.AddU32(NFTA_BYTEORDER_DREG, Register(0));
      out_.AddU32(NFTA_BYTEORDER_OP, NFT_BYTEORDER_HTON);
      out_.AddU32(NFTA_BYTEORDER_LEN, 4);
      out_.AddU32(NFTA_BYTEORDER_SIZE, 4);
    });
    const uint32_t first = htonl(s.first);
    Compare(NFT_CMP_LT, Native(first));
  }
  void operator()(const IsOverCount& s) {
    Expression("connlimit", [&] { CountOver(s.count); });
  }
  void operator()(const IsClientOverCount& s) {
    LoadClient(s.family);
    Fill(s.set, NFT_DYNSET_OP_ADD, "connlimit", [&] { CountOver(s.count); });
  }
  void operator()(const IsClientOverRate& s) {
    LoadClient(s.family);
    Fill(s.set, NFT_DYNSET_OP_UPDATE, "limit", [&] {
      out_.AddU64(NFTA_LIMIT_RATE, s.per_minute);
      out_.AddU64(NFTA_LIMIT_UNIT, 60);
      out_.AddU32(NFTA_LIMIT_BURST, s.per_minute);
      out_.AddU32(NFTA_LIMIT_TYPE, NFT_LIMIT_PKTS);
      out_.AddU32(NFTA_LIMIT_FLAGS, NFT_LIMIT_F_INV);
    });
  }
  void operator()(const GoWhere& s) {
    Load(s.key);
    Map(s.map, NFT_REG_VERDICT);
  }
  void operator()(const ForwardTo& s) {
    const Family family = FamilyOf(s.endpoint.address);
    NeedTcp();
    KeyBytes address;
    AppendAddress(s.endpoint.address, &address);
    const uint16_t port = htons(s.endpoint.port);
    Immediate(0, {reinterpret_cast<const uint8_t*>(address.data()), address.size()});
    Immediate(kSecondBlock, {reinterpret_cast<const uint8_t*>(&port), sizeof(port)});
    Nat(family, Register(kSecondBlock));
  }
  void operator()(const ForwardWhere& s) {
    NeedFamily(s.key.family);
    NeedTcp();
    Load(s.key);
    Map(s.map, Register(0));
    Nat(s.key.family, Register(AddressBytes(s.key.family) / 4));
  }
  void operator()(const Masquerade&) {
    Expression("masq", [] {});
  }
  void operator()(const UseTimeouts& s) {
    Expression("objref", [&] {
      out_.AddU32(NFTA_OBJREF_IMM_TYPE, NFT_OBJECT_CT_TIMEOUT);
      out_.AddString(NFTA_OBJREF_IMM_NAME, s.name);
    });
  }
  void operator()(const LimitEvents&) {
    const uint32_t events = 1 << IPCT_NEW | 1 << IPCT_DESTROY | 1 << IPCT_PROTOINFO;
    Immediate(0, Native(events));
    Expression("ct", [&] {
      out_.AddU32(NFTA_CT_KEY, NFT_CT_EVENTMASK);
      out_.AddU32(NFTA_CT_SREG, Register(0));
    });
  }
  void operator()(const Verdict& s) {
    Expression("immediate", [&] {
      out_.AddU32(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
      out_.Nest(NFTA_IMMEDIATE_DATA, [&] { EncodeVerdict(s, &out_); });
    });
  }

 private:
  static constexpr uint32_t kSecondBlock = 4;

  template <typename Fill>
  void Expression(absl::string_view name, Fill fill) {
    out_.Nest(NFTA_LIST_ELEM, [&] {
      out_.AddString(NFTA_EXPR_NAME, name);
      out_.Nest(NFTA_EXPR_DATA, fill);
    });
  }

  void Data(uint16_t type, Bytes value) {
    out_.Nest(type, [&] { out_.AddBytes(NFTA_DATA_VALUE, value); });
  }

  void Compare(uint32_t how, Bytes value) {
    Expression("cmp", [&] {
      out_.AddU32(NFTA_CMP_SREG, Register(0));
      out_.AddU32(NFTA_CMP_OP, how);
      Data(NFTA_CMP_DATA, value);
    });
  }

  void And(Bytes mask, Bytes zero) {
    Expression("bitwise", [&] {
      out_.AddU32(NFTA_BITWISE_SREG, Register(0));
      out_.AddU32(NFTA_BITWISE_DREG, Register(0));
      out_.AddU32(NFTA_BITWISE_LEN, static_cast<uint32_t>(mask.size()));
      Data(NFTA_BITWISE_MASK, mask);
      Data(NFTA_BITWISE_XOR, zero);
    });
  }

  void MetaIs(uint32_t key, uint8_t value) {
    Expression("meta", [&] {
      out_.AddU32(NFTA_META_KEY, key);
      out_.AddU32(NFTA_META_DREG, Register(0));
    });
    Compare(NFT_CMP_EQ, {&value, 1});
  }

  void NeedFamily(Family family) {
    if (knows_family_) return;
    knows_family_ = true;
    MetaIs(NFT_META_NFPROTO, static_cast<uint8_t>(NfProto(family)));
  }
  void NeedTcp() {
    if (knows_tcp_) return;
    knows_tcp_ = true;
    MetaIs(NFT_META_L4PROTO, IPPROTO_TCP);
  }

  void Payload(uint32_t base, uint32_t offset, uint32_t length, uint32_t word) {
    Expression("payload", [&] {
      out_.AddU32(NFTA_PAYLOAD_DREG, Register(word));
      out_.AddU32(NFTA_PAYLOAD_BASE, base);
      out_.AddU32(NFTA_PAYLOAD_OFFSET, offset);
      out_.AddU32(NFTA_PAYLOAD_LEN, length);
    });
  }

  void Dialled(uint32_t key, uint32_t word) {
    Expression("ct", [&] {
      out_.AddU32(NFTA_CT_KEY, key);
      out_.AddU32(NFTA_CT_DREG, Register(word));
      out_.AddU8(NFTA_CT_DIRECTION, IP_CT_DIR_ORIGINAL);
    });
  }

  void HasCtBit(uint32_t key, uint32_t bit) {
    Expression("ct", [&] {
      out_.AddU32(NFTA_CT_KEY, key);
      out_.AddU32(NFTA_CT_DREG, Register(0));
    });
    const uint32_t zero = 0;
    And(Native(bit), Native(zero));
    Compare(NFT_CMP_NEQ, Native(zero));
  }

  void Load(const Key& key) {
    const bool v4 = key.family == Family::kV4;
    for (const Field field : key.fields) {
      if (field == Field::kSource || field == Field::kDestination || field == Field::kSourceSlot) {
        NeedFamily(key.family);
      }
      if (field == Field::kSourcePort || field == Field::kDestinationPort) NeedTcp();
    }
    uint32_t word = 0;
    for (const Field field : key.fields) {
      uint32_t words = 1;
      switch (field) {
        case Field::kSource:
          Payload(NFT_PAYLOAD_NETWORK_HEADER, v4 ? 12 : 8, AddressBytes(key.family), word);
          words = AddressBytes(key.family) / 4;
          break;
        case Field::kDestination:
          Payload(NFT_PAYLOAD_NETWORK_HEADER, v4 ? 16 : 24, AddressBytes(key.family), word);
          words = AddressBytes(key.family) / 4;
          break;
        case Field::kSourcePort:
          Payload(NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2, word);
          break;
        case Field::kDestinationPort:
          Payload(NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, word);
          break;
        case Field::kDialledSource:
          Dialled(v4 ? NFT_CT_SRC_IP : NFT_CT_SRC_IP6, word);
          words = AddressBytes(key.family) / 4;
          break;
        case Field::kDialledAddress:
          Dialled(v4 ? NFT_CT_DST_IP : NFT_CT_DST_IP6, word);
          words = AddressBytes(key.family) / 4;
          break;
        case Field::kDialledPort:
          Dialled(NFT_CT_PROTO_DST, word);
          break;
        case Field::kSourceSlot:
          Slot(key.family, word);
          break;
      }
      word += words;
    }
  }

  void Slot(Family family, uint32_t word) {
    Payload(NFT_PAYLOAD_NETWORK_HEADER, family == Family::kV4 ? 12 : 8, AddressBytes(family),
            kSecondBlock);
    Expression("hash", [&] {
      out_.AddU32(NFTA_HASH_SREG, Register(kSecondBlock));
      out_.AddU32(NFTA_HASH_DREG, Register(word));
      out_.AddU32(NFTA_HASH_LEN, AddressBytes(family));
      out_.AddU32(NFTA_HASH_MODULUS, kSlots);
      out_.AddU32(NFTA_HASH_SEED, kSlotSeed);
      out_.AddU32(NFTA_HASH_OFFSET, 0);
      out_.AddU32(NFTA_HASH_TYPE, NFT_HASH_JENKINS);
    });
  }

  // By which a client counts: its address, or of IPv6 its /64.
  void LoadClient(Family family) {
    Load({family, {Field::kSource}});
    if (family == Family::kV4) return;
    constexpr uint8_t kMask[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    constexpr uint8_t kZero[16] = {};
    And(kMask, kZero);
  }

  void CountOver(uint32_t count) {
    out_.AddU32(NFTA_CONNLIMIT_COUNT, count);
    out_.AddU32(NFTA_CONNLIMIT_FLAGS, NFT_CONNLIMIT_F_INV);
  }

  template <typename State>
  void Fill(absl::string_view set, uint32_t how, absl::string_view expression, State state) {
    Expression("dynset", [&] {
      out_.AddString(NFTA_DYNSET_SET_NAME, set);
      out_.AddU32(NFTA_DYNSET_OP, how);
      out_.AddU32(NFTA_DYNSET_SREG_KEY, Register(0));
      out_.Nest(NFTA_DYNSET_EXPR, [&] {
        out_.AddString(NFTA_EXPR_NAME, expression);
        out_.Nest(NFTA_EXPR_DATA, state);
      });
    });
  }

  void Map(absl::string_view map, uint32_t to) {
    Expression("lookup", [&] {
      out_.AddString(NFTA_LOOKUP_SET, map);
      out_.AddU32(NFTA_LOOKUP_SREG, Register(0));
      out_.AddU32(NFTA_LOOKUP_DREG, to);
    });
  }

  void Immediate(uint32_t word, Bytes value) {
    Expression("immediate", [&] {
      out_.AddU32(NFTA_IMMEDIATE_DREG, Register(word));
      Data(NFTA_IMMEDIATE_DATA, value);
    });
  }

  void Nat(Family family, uint32_t port_register) {
    Expression("nat", [&] {
      out_.AddU32(NFTA_NAT_TYPE, NFT_NAT_DNAT);
      out_.AddU32(NFTA_NAT_FAMILY, NfProto(family));
      out_.AddU32(NFTA_NAT_REG_ADDR_MIN, Register(0));
      out_.AddU32(NFTA_NAT_REG_PROTO_MIN, port_register);
    });
  }

  netlink::Writer& out_;
  bool knows_family_ = false;
  bool knows_tcp_ = false;
};

int32_t VerdictCode(Verdict::Kind kind) {
  switch (kind) {
    case Verdict::Kind::kReturn:
      return NFT_RETURN;
    case Verdict::Kind::kDrop:
      return NF_DROP;
    case Verdict::Kind::kJump:
      return NFT_JUMP;
    case Verdict::Kind::kGoto:
      return NFT_GOTO;
  }
  return NFT_RETURN;
}

}  // namespace

void EncodeRule(const Rule& rule, netlink::Writer* out) {
  out->Nest(NFTA_RULE_EXPRESSIONS, [&] {
    RuleEncoder encoder(out);
    for (const Statement& statement : rule) std::visit(encoder, statement);
  });
}

void EncodeVerdict(const Verdict& verdict, netlink::Writer* out) {
  out->Nest(NFTA_DATA_VERDICT, [&] {
    out->AddU32(NFTA_VERDICT_CODE, static_cast<uint32_t>(VerdictCode(verdict.kind)));
    if (!verdict.chain.empty()) out->AddString(NFTA_VERDICT_CHAIN, verdict.chain);
  });
}

}  // namespace tlsbridge::kernel
