#include "router/kernel/batch.h"

#include <arpa/inet.h>  // before the kernel's headers, which then leave out what it has
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_cttimeout.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "router/kernel/rule_encoder.h"
#include "router/kernel/set_user_data.h"

namespace tlsbridge::kernel {
namespace {

using Bytes = absl::Span<const uint8_t>;

Bytes AsBytes(absl::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// nft's numbers of types, six bits each in a key of several.
constexpr uint32_t kTypeV4 = 7;
constexpr uint32_t kTypeV6 = 8;
constexpr uint32_t kTypePort = 13;
constexpr uint32_t kTypeNumber = 4;
constexpr uint32_t kTypeBits = 6;
constexpr uint32_t kTypeVerdict = 0xffffff00;

struct FieldForm {
  uint32_t type;
  uint32_t bytes;  // of the field itself; in a key it is padded to four
};

FieldForm FormOf(Family family, Field field) {
  switch (field) {
    case Field::kSourcePort:
    case Field::kDestinationPort:
    case Field::kDialledPort:
      return {kTypePort, 2};
    case Field::kSourceSlot:
      return {kTypeNumber, 4};
    default:
      return family == Family::kV4 ? FieldForm{kTypeV4, 4} : FieldForm{kTypeV6, 16};
  }
}

uint32_t Padded(uint32_t bytes) { return (bytes + 3) / 4 * 4; }

// A field that is alone is as long as it is; in a key of several each is padded.
uint32_t KeyBytesOf(const Key& key) {
  if (key.fields.size() == 1) return FormOf(key.family, key.fields[0]).bytes;
  uint32_t bytes = 0;
  for (const Field field : key.fields) bytes += Padded(FormOf(key.family, field).bytes);
  return bytes;
}

struct HookForm {
  uint32_t hook;
  int32_t priority;
  const char* type;
};

HookForm FormOf(Chain::Hook hook) {
  switch (hook) {
    case Chain::Hook::kGuard:
      return {NF_INET_PRE_ROUTING, -110, "filter"};
    case Chain::Hook::kTranslate:
      return {NF_INET_PRE_ROUTING, -105, "nat"};
    case Chain::Hook::kSource:
      return {NF_INET_POST_ROUTING, 95, "nat"};
    case Chain::Hook::kNone:
      break;
  }
  return {};
}

absl::string_view KindName(const Set& set) { return set.is_map() ? "map" : "set"; }

absl::string_view ElementName(int type, const Set& set) {
  if (type == NFT_MSG_NEWSETELEM) return set.is_map() ? "element of map" : "element of set";
  return set.is_map() ? "removal of an element of map" : "removal of an element of set";
}

}  // namespace

Batch::Batch(std::string table) : table_(std::move(table)) {
  writer_.Begin(NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
}

void Batch::Begin(int type, uint16_t flags, absl::string_view label, const std::string& name) {
  last_sequence_ =
      writer_.Begin(static_cast<uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type), flags, NFPROTO_INET);
  labels_.push_back({last_sequence_, label, name});
}

void Batch::AddTable(uint32_t flags) {
  Begin(NFT_MSG_NEWTABLE, NLM_F_CREATE, "table", table_);
  writer_.AddString(NFTA_TABLE_NAME, table_);
  writer_.AddU32(NFTA_TABLE_FLAGS, flags);
}

void Batch::DeleteTable() {
  Begin(NFT_MSG_DELTABLE, 0, "removal of table", table_);
  writer_.AddString(NFTA_TABLE_NAME, table_);
}

void Batch::AddTimeouts(const std::string& name, const TimeoutPolicy& policy) {
  Begin(NFT_MSG_NEWOBJ, NLM_F_CREATE, "ct timeout", name);
  writer_.AddString(NFTA_OBJ_TABLE, table_);
  writer_.AddString(NFTA_OBJ_NAME, name);
  writer_.AddU32(NFTA_OBJ_TYPE, NFT_OBJECT_CT_TIMEOUT);
  writer_.Nest(NFTA_OBJ_DATA, [&] {
    writer_.AddU16(NFTA_CT_TIMEOUT_L3PROTO,
                   policy.family == Family::kV4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
    writer_.AddU8(NFTA_CT_TIMEOUT_L4PROTO, IPPROTO_TCP);
    writer_.Nest(NFTA_CT_TIMEOUT_DATA, [&] {
      for (const TimeoutPolicy::State& state : policy.Seconds()) {
        writer_.AddU32(state.number, state.seconds);
      }
    });
  });
}

void Batch::DeleteTimeouts(const std::string& name) {
  Begin(NFT_MSG_DELOBJ, 0, "removal of ct timeout", name);
  writer_.AddString(NFTA_OBJ_TABLE, table_);
  writer_.AddString(NFTA_OBJ_NAME, name);
  writer_.AddU32(NFTA_OBJ_TYPE, NFT_OBJECT_CT_TIMEOUT);
}

void Batch::AddSet(const std::string& name, const Set& set) {
  Begin(NFT_MSG_NEWSET, NLM_F_CREATE, KindName(set), name);
  const bool v4 = set.key.family == Family::kV4;
  uint32_t flags = 0;
  if (set.is_map()) flags |= NFT_SET_MAP;
  if (set.is_interval) flags |= NFT_SET_INTERVAL;
  // A bit that older headers lack: the interval is of several fields.
  constexpr uint32_t kSetConcat = 0x80;
  if (set.is_interval && set.key.fields.size() > 1) flags |= kSetConcat;
  if (set.is_dynamic()) flags |= NFT_SET_EVAL;
  if (set.kind == Set::Kind::kRateClients) flags |= NFT_SET_TIMEOUT;
  uint32_t type = 0;
  for (const Field field : set.key.fields) {
    type = type << kTypeBits | FormOf(set.key.family, field).type;
  }
  writer_.AddString(NFTA_SET_TABLE, table_);
  writer_.AddString(NFTA_SET_NAME, name);
  writer_.AddU32(NFTA_SET_ID, ++sets_);
  writer_.AddU32(NFTA_SET_FLAGS, flags);
  writer_.AddU32(NFTA_SET_KEY_TYPE, type);
  writer_.AddU32(NFTA_SET_KEY_LEN, KeyBytesOf(set.key));
  if (set.kind == Set::Kind::kVerdicts) {
    writer_.AddU32(NFTA_SET_DATA_TYPE, kTypeVerdict);
    writer_.AddU32(NFTA_SET_DATA_LEN, 0);
  }
  if (set.kind == Set::Kind::kEndpoints) {
    writer_.AddU32(NFTA_SET_DATA_TYPE, (v4 ? kTypeV4 : kTypeV6) << kTypeBits | kTypePort);
    writer_.AddU32(NFTA_SET_DATA_LEN, v4 ? 8 : 20);
  }
  writer_.Nest(NFTA_SET_DESC, [&] {
    if (set.is_dynamic()) writer_.AddU32(NFTA_SET_DESC_SIZE, kMostClients);
    if ((flags & kSetConcat) == 0) return;
    writer_.Nest(NFTA_SET_DESC_CONCAT, [&] {
      for (const Field field : set.key.fields) {
        writer_.Nest(NFTA_LIST_ELEM, [&] {
          writer_.AddU32(NFTA_SET_FIELD_LEN, FormOf(set.key.family, field).bytes);
        });
      }
    });
  });
  if (set.kind == Set::Kind::kRateClients) {
    writer_.AddU64(NFTA_SET_TIMEOUT, uint64_t{kRateMemorySeconds} * 1000);
  }
  const std::string user_data = SetUserData(set);
  if (!user_data.empty()) writer_.AddBytes(NFTA_SET_USERDATA, AsBytes(user_data));
  if (set.has_counters()) {
    writer_.Nest(NFTA_SET_EXPR, [&] {
      writer_.AddString(NFTA_EXPR_NAME, "counter");
      writer_.Nest(NFTA_EXPR_DATA, [] {});
    });
  }
}

void Batch::DeleteSet(const std::string& name) {
  Begin(NFT_MSG_DELSET, 0, "removal of set", name);
  writer_.AddString(NFTA_SET_TABLE, table_);
  writer_.AddString(NFTA_SET_NAME, name);
}

void Batch::AddChain(const std::string& name, const Chain& chain) {
  Begin(NFT_MSG_NEWCHAIN, NLM_F_CREATE, "chain", name);
  writer_.AddString(NFTA_CHAIN_TABLE, table_);
  writer_.AddString(NFTA_CHAIN_NAME, name);
  if (chain.hook == Chain::Hook::kNone) return;
  const HookForm form = FormOf(chain.hook);
  writer_.Nest(NFTA_CHAIN_HOOK, [&] {
    writer_.AddU32(NFTA_HOOK_HOOKNUM, form.hook);
    writer_.AddU32(NFTA_HOOK_PRIORITY, static_cast<uint32_t>(form.priority));
  });
  writer_.AddString(NFTA_CHAIN_TYPE, form.type);
  writer_.AddU32(NFTA_CHAIN_POLICY, NF_ACCEPT);
}

void Batch::DeleteChain(const std::string& name) {
  Begin(NFT_MSG_DELCHAIN, 0, "removal of chain", name);
  writer_.AddString(NFTA_CHAIN_TABLE, table_);
  writer_.AddString(NFTA_CHAIN_NAME, name);
}

void Batch::AddRules(const std::string& chain, absl::Span<const Rule> rules) {
  for (const Rule& rule : rules) {
    Begin(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, "rule of chain", chain);
    writer_.AddString(NFTA_RULE_TABLE, table_);
    writer_.AddString(NFTA_RULE_CHAIN, chain);
    EncodeRule(rule, &writer_);
  }
}

void Batch::DeleteRules(const std::string& chain) {
  Begin(NFT_MSG_DELRULE, 0, "removal of the rules of chain", chain);
  writer_.AddString(NFTA_RULE_TABLE, table_);
  writer_.AddString(NFTA_RULE_CHAIN, chain);
}

void Batch::AddElements(const std::string& name, const Set& set, const Elements& elements) {
  PutElements(NFT_MSG_NEWSETELEM, NLM_F_CREATE, name, set, elements);
}

void Batch::DeleteElements(const std::string& name, const Set& set, const Elements& elements) {
  PutElements(NFT_MSG_DELSETELEM, 0, name, set, elements);
}

void Batch::PutElements(int type, uint16_t flags, const std::string& name, const Set& set,
                        const Elements& elements) {
  for (auto element = elements.begin(); element != elements.end();) {
    Begin(type, flags, ElementName(type, set), name);
    writer_.AddString(NFTA_SET_ELEM_LIST_TABLE, table_);
    writer_.AddString(NFTA_SET_ELEM_LIST_SET, name);
    const size_t start = writer_.OpenNest(NFTA_SET_ELEM_LIST_ELEMENTS);
    while (element != elements.end() &&
           writer_.size_bytes() - start < netlink::Writer::kFullAttributeBytes) {
      PutElement(set, element->first, element->second, type == NFT_MSG_NEWSETELEM);
      ++element;
    }
    writer_.CloseNest(start);
  }
}

void Batch::PutElement(const Set& set, const KeyBytes& key, const Element& element,
                       bool with_data) {
  const size_t key_bytes = KeyBytesOf(set.key);
  const auto put_key = [&](uint16_t type, absl::string_view bytes) {
    writer_.Nest(type,
                 [&] { writer_.AddBytes(NFTA_DATA_VALUE, AsBytes(bytes.substr(0, key_bytes))); });
  };
  writer_.Nest(NFTA_LIST_ELEM, [&] {
    put_key(NFTA_SET_ELEM_KEY, key);
    if (set.is_interval) put_key(NFTA_SET_ELEM_KEY_END, element.last);
    if (!with_data) return;
    if (set.kind == Set::Kind::kVerdicts) {
      writer_.Nest(NFTA_SET_ELEM_DATA, [&] { EncodeVerdict(element.verdict, &writer_); });
    }
    if (set.kind == Set::Kind::kEndpoints) {
      KeyBytes endpoint;
      AppendAddress(element.endpoint.address, &endpoint);
      AppendPort(element.endpoint.port, &endpoint);
      writer_.Nest(NFTA_SET_ELEM_DATA,
                   [&] { writer_.AddBytes(NFTA_DATA_VALUE, AsBytes(endpoint)); });
    }
  });
}

absl::Status Batch::Check() const {
  if (!writer_.overflowed()) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("table '", table_, "': a rule or element is too long for a message"));
}

absl::Span<const uint8_t> Batch::FinishTrial() {
  writer_.AddFlags(NLM_F_ACK);
  return writer_.Finish();
}

absl::Span<const uint8_t> Batch::Finish() {
  // Kernels before 6.10 answer no end of a batch, but every message in it that asks.
  writer_.AddFlags(NLM_F_ACK);
  writer_.Begin(NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
  return writer_.Finish();
}

std::string Batch::Describe(uint32_t sequence) const {
  const auto label =
      std::lower_bound(labels_.begin(), labels_.end(), sequence,
                       [](const Label& one, uint32_t wanted) { return one.sequence < wanted; });
  if (label != labels_.end() && label->sequence == sequence) {
    return absl::StrCat(label->what, " '", label->name, "'");
  }
  return absl::StrCat("the whole batch of table '", table_, "'");
}

}  // namespace tlsbridge::kernel
