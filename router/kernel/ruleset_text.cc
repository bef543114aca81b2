#include "router/kernel/ruleset_text.h"

#include <arpa/inet.h>
#include <string.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "router/kernel/client_intervals.h"

namespace tlsbridge::kernel {
namespace {

absl::string_view FamilyText(Family family) { return family == Family::kV4 ? "ip" : "ip6"; }

std::string AddressText(const IpBytes& address) {
  char text[INET6_ADDRSTRLEN];
  const bool v4 = IsV4(address);
  inet_ntop(v4 ? AF_INET : AF_INET6, address.data() + (v4 ? 12 : 0), text, sizeof(text));
  return text;
}

std::string FieldText(Family family, Field field) {
  const absl::string_view ip = FamilyText(family);
  switch (field) {
    case Field::kSource:
      return absl::StrCat(ip, " saddr");
    case Field::kDestination:
      return absl::StrCat(ip, " daddr");
    case Field::kSourcePort:
      return "tcp sport";
    case Field::kDestinationPort:
      return "tcp dport";
    case Field::kDialledSource:
      return absl::StrCat("ct original ", ip, " saddr");
    case Field::kDialledAddress:
      return absl::StrCat("ct original ", ip, " daddr");
    case Field::kDialledPort:
      return "ct original proto-dst";
    case Field::kSourceSlot:
      return absl::StrCat("jhash ", ip, " saddr mod ", kSlots, " seed 0x", absl::Hex(kSlotSeed));
  }
  return "";
}

std::string KeyText(const Key& key) {
  return absl::StrJoin(key.fields, " . ", [&](std::string* out, Field field) {
    absl::StrAppend(out, FieldText(key.family, field));
  });
}

absl::string_view AddressType(Family family) {
  return family == Family::kV4 ? "ipv4_addr" : "ipv6_addr";
}

std::string TypeText(const Set& set) {
  const Family family = set.key.family;
  // nft cannot look a hash up in a map that is declared for one; a turn has the same type.
  if (set.key.fields == std::vector<Field>{Field::kSourceSlot}) {
    return absl::StrCat("typeof numgen inc mod ", kSlots, " : ", FamilyText(family),
                        " daddr . tcp dport");
  }
  std::string text = absl::StrCat(
      "type ", absl::StrJoin(set.key.fields, " . ", [&](std::string* out, Field field) {
        const bool is_port = field == Field::kSourcePort || field == Field::kDestinationPort ||
                             field == Field::kDialledPort;
        absl::StrAppend(out, is_port ? "inet_service" : AddressType(family));
      }));
  if (set.kind == Set::Kind::kVerdicts) absl::StrAppend(&text, " : verdict");
  if (set.kind == Set::Kind::kEndpoints) {
    absl::StrAppend(&text, " : ", AddressType(family), " . inet_service");
  }
  return text;
}

std::string ValueText(Family family, Field field, absl::string_view* bytes) {
  size_t length = 4;
  std::string text;
  switch (field) {
    case Field::kSourcePort:
    case Field::kDestinationPort:
    case Field::kDialledPort:
      text =
          absl::StrCat(static_cast<uint8_t>((*bytes)[0]) << 8 | static_cast<uint8_t>((*bytes)[1]));
      break;
    case Field::kSourceSlot: {
      uint32_t slot = 0;
      memcpy(&slot, bytes->data(), sizeof(slot));
      text = absl::StrCat(slot);
      break;
    }
    default: {
      length = family == Family::kV4 ? 4 : 16;
      char address[INET6_ADDRSTRLEN];
      inet_ntop(family == Family::kV4 ? AF_INET : AF_INET6, bytes->data(), address,
                sizeof(address));
      text = address;
    }
  }
  bytes->remove_prefix(length);
  return text;
}

std::string VerdictText(const Verdict& verdict) {
  switch (verdict.kind) {
    case Verdict::Kind::kReturn:
      return "return";
    case Verdict::Kind::kDrop:
      return "drop";
    case Verdict::Kind::kJump:
      return absl::StrCat("jump ", verdict.chain);
    case Verdict::Kind::kGoto:
      return absl::StrCat("goto ", verdict.chain);
  }
  return "";
}

std::string ElementText(const Set& set, absl::string_view key, const Element& element) {
  absl::string_view last = element.last;
  std::vector<std::string> values;
  for (size_t i = 0; i < set.key.fields.size(); ++i) {
    std::string value = ValueText(set.key.family, set.key.fields[i], &key);
    if (!last.empty()) {
      const std::string end = ValueText(set.key.family, set.key.fields[i], &last);
      if (end != value) absl::StrAppend(&value, "-", end);
    }
    values.push_back(std::move(value));
  }
  std::string text = absl::StrJoin(values, " . ");
  if (set.kind == Set::Kind::kVerdicts) {
    absl::StrAppend(&text, " : ", VerdictText(element.verdict));
  }
  if (set.kind == Set::Kind::kEndpoints) {
    absl::StrAppend(&text, " : ", AddressText(element.endpoint.address), " . ",
                    element.endpoint.port);
  }
  return text;
}

void AppendSet(const std::string& name, const Set& set, const Elements* elements,
               std::string* out) {
  absl::StrAppend(out, "\t", set.is_map() ? "map " : "set ", name, " {\n\t\t", TypeText(set), "\n");
  if (set.is_interval) absl::StrAppend(out, "\t\tflags interval\n");
  if (set.kind == Set::Kind::kCountClients) {
    absl::StrAppend(out, "\t\tsize ", kMostClients, "\n\t\tflags dynamic\n");
  }
  if (set.kind == Set::Kind::kRateClients) {
    absl::StrAppend(out, "\t\tsize ", kMostClients, "\n\t\tflags dynamic,timeout\n\t\ttimeout ",
                    kRateMemorySeconds / 60, "m\n");
  }
  if (set.has_counters()) absl::StrAppend(out, "\t\tcounter\n");
  if (elements != nullptr && !elements->empty()) {
    absl::StrAppend(out, "\t\telements = { ",
                    absl::StrJoin(*elements, ",\n\t\t\t     ",
                                  [&](std::string* text, const auto& element) {
                                    absl::StrAppend(
                                        text, ElementText(set, element.first, element.second));
                                  }),
                    " }\n");
  }
  absl::StrAppend(out, "\t}\n\n");
}

struct StatementText {
  std::string operator()(const IsOfFamily& s) const {
    return absl::StrCat("meta nfproto ", s.family == Family::kV4 ? "ipv4" : "ipv6");
  }
  std::string operator()(const IsTcp&) const { return "meta l4proto tcp"; }
  std::string operator()(const IsSyn&) const {
    return "tcp flags & (fin | syn | rst | ack) == syn";
  }
  std::string operator()(const IsInvalid&) const { return "ct state invalid"; }
  std::string operator()(const IsToThisMachine&) const { return "fib daddr type local"; }
  std::string operator()(const IsForwarded&) const { return "ct status dnat"; }
  std::string operator()(const IsIn& s) const { return absl::StrCat(KeyText(s.key), " @", s.set); }
  std::string operator()(const IsTurn& s) const {
    return absl::StrCat("numgen inc mod ", s.of, s.first == 1 ? " " : " < ",
                        s.first == 1 ? 0 : s.first);
  }
  std::string operator()(const IsOverCount& s) const {
    return absl::StrCat("ct count over ", s.count);
  }
  std::string operator()(const IsClientOverCount& s) const {
    return absl::StrCat("add @", s.set, " { ", ClientText(s.family), " ct count over ", s.count,
                        " }");
  }
  std::string operator()(const IsClientOverRate& s) const {
    return absl::StrCat("update @", s.set, " { ", ClientText(s.family), " limit rate over ",
                        s.per_minute, "/minute burst ", s.per_minute, " packets }");
  }
  std::string operator()(const GoWhere& s) const {
    return absl::StrCat(KeyText(s.key), " vmap @", s.map);
  }
  std::string operator()(const ForwardTo& s) const {
    const Family family = FamilyOf(s.endpoint.address);
    const std::string address = AddressText(s.endpoint.address);
    return absl::StrCat("dnat ", FamilyText(family), " to ", family == Family::kV4 ? "" : "[",
                        address, family == Family::kV4 ? ":" : "]:", s.endpoint.port);
  }
  std::string operator()(const ForwardWhere& s) const {
    return absl::StrCat("dnat ", FamilyText(s.key.family), " to ", KeyText(s.key), " map @", s.map);
  }
  std::string operator()(const Masquerade&) const { return "masquerade"; }
  std::string operator()(const UseTimeouts& s) const {
    return absl::StrCat("ct timeout set \"", s.name, "\"");
  }
  std::string operator()(const LimitEvents&) const { return "ct event set new,destroy,protoinfo"; }
  std::string operator()(const Verdict& s) const { return VerdictText(s); }

  static absl::string_view ClientText(Family family) {
    return family == Family::kV4 ? "ip saddr" : "ip6 saddr & ffff:ffff:ffff:ffff::";
  }
};

absl::string_view HookText(Chain::Hook hook) {
  switch (hook) {
    case Chain::Hook::kNone:
      return "";
    case Chain::Hook::kGuard:
      return "\t\ttype filter hook prerouting priority -110; policy accept;\n";
    case Chain::Hook::kTranslate:
      return "\t\ttype nat hook prerouting priority -105; policy accept;\n";
    case Chain::Hook::kSource:
      return "\t\ttype nat hook postrouting priority 95; policy accept;\n";
  }
  return "";
}

}  // namespace

std::string RulesetText(const Ruleset& rules) {
  std::string out = absl::StrCat("table inet ", rules.table, " {\n");
  for (const auto& [name, policy] : rules.timeouts) {
    absl::StrAppend(&out, "\tct timeout ", name, " {\n\t\tprotocol tcp\n\t\tl3proto ",
                    FamilyText(policy.family), "\n\t\tpolicy = { ",
                    absl::StrJoin(policy.Seconds(), ", ",
                                  [](std::string* text, const TimeoutPolicy::State& state) {
                                    absl::StrAppend(text, state.name, " : ", state.seconds);
                                  }),
                    " }\n\t}\n\n");
  }
  for (const auto& [name, set] : rules.sets) {
    const auto elements = rules.elements.find(name);
    AppendSet(name, set, elements == rules.elements.end() ? nullptr : &elements->second, &out);
  }
  for (const auto& [name, chain] : rules.chains) {
    absl::StrAppend(&out, "\tchain ", name, " {\n", HookText(chain.hook));
    for (const Rule& rule : chain.rules) {
      absl::StrAppend(&out, "\t\t",
                      absl::StrJoin(rule, " ",
                                    [](std::string* text, const Statement& statement) {
                                      absl::StrAppend(text, std::visit(StatementText(), statement));
                                    }),
                      "\n");
    }
    absl::StrAppend(&out, "\t}\n\n");
  }
  if (rules.chains.empty()) return out + "}\n";
  out.pop_back();
  return out + "}\n";
}

}  // namespace tlsbridge::kernel
