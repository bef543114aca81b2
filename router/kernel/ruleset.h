// A table of the kernel's packet filter as values: sets and maps with their elements, chains of
// rules, rules of statements. There are only the kinds of statements that forwarding needs; each is
// written in two ways, as the text of `nft` (ruleset_text.h) and as messages (ruleset_messages.h).
//
// Thread: any; values. Owner: whoever made it. Failure: none.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <map>
#include <string>
#include <variant>
#include <vector>

#include "router/kernel/plan.h"

namespace tlsbridge::kernel {

enum class Family : uint8_t { kV4, kV6 };

// ---- What rules look at. Of an address, the family is that of the rule.

enum class Field : uint8_t {
  kSource,
  kDestination,
  kSourcePort,
  kDestinationPort,
  // As the client sent them, whatever has been translated since.
  kDialledSource,
  kDialledAddress,
  kDialledPort,
  kSourceSlot,  // a hash of the client's address, below kSlots
};

inline constexpr uint32_t kSlots = 256;
inline constexpr uint32_t kSlotSeed = 0x5eed;
// Of one set that rules fill; a client for whom there is no room is not limited.
inline constexpr uint32_t kMostClients = 65535;
inline constexpr uint32_t kRateMemorySeconds = 120;

struct Key {
  Family family = Family::kV4;
  std::vector<Field> fields;

  bool operator==(const Key&) const = default;
};

// ---- Statements: first those that must hold, then those that do.

struct IsOfFamily {
  Family family = Family::kV4;
  bool operator==(const IsOfFamily&) const = default;
};
struct IsTcp {
  bool operator==(const IsTcp&) const = default;
};
struct IsSyn {  // the first packet of a client
  bool operator==(const IsSyn&) const = default;
};
struct IsInvalid {  // connection tracking does not know what to do with it
  bool operator==(const IsInvalid&) const = default;
};
struct IsToThisMachine {
  bool operator==(const IsToThisMachine&) const = default;
};
struct IsForwarded {  // its destination was translated
  bool operator==(const IsForwarded&) const = default;
};
struct IsIn {
  Key key;
  std::string set;
  bool operator==(const IsIn&) const = default;
};
struct IsTurn {  // of every `of` packets that come here, the first `first`
  uint32_t of = 1;
  uint32_t first = 1;
  bool operator==(const IsTurn&) const = default;
};
struct IsOverCount {  // more connections have come by and are still there
  uint32_t count = 0;
  bool operator==(const IsOverCount&) const = default;
};
struct IsClientOverCount {
  Family family = Family::kV4;
  std::string set;
  uint32_t count = 0;
  bool operator==(const IsClientOverCount&) const = default;
};
struct IsClientOverRate {
  Family family = Family::kV4;
  std::string set;
  uint32_t per_minute = 0;
  bool operator==(const IsClientOverRate&) const = default;
};
struct GoWhere {  // as a map says
  Key key;
  std::string map;
  bool operator==(const GoWhere&) const = default;
};
struct ForwardTo {
  Endpoint endpoint;
  bool operator==(const ForwardTo&) const = default;
};
struct ForwardWhere {  // as a map says
  Key key;
  std::string map;
  bool operator==(const ForwardWhere&) const = default;
};
struct Masquerade {
  bool operator==(const Masquerade&) const = default;
};
struct UseTimeouts {
  std::string name;
  bool operator==(const UseTimeouts&) const = default;
};
struct LimitEvents {  // to those that flows.h reads
  bool operator==(const LimitEvents&) const = default;
};
struct Verdict {
  enum class Kind : uint8_t { kReturn, kDrop, kJump, kGoto };
  Kind kind = Kind::kReturn;
  std::string chain;  // kJump, kGoto
  bool operator==(const Verdict&) const = default;
};

using Statement =
    std::variant<IsOfFamily, IsTcp, IsSyn, IsInvalid, IsToThisMachine, IsForwarded, IsIn, IsTurn,
                 IsOverCount, IsClientOverCount, IsClientOverRate, GoWhere, ForwardTo, ForwardWhere,
                 Masquerade, UseTimeouts, LimitEvents, Verdict>;
using Rule = std::vector<Statement>;

// ---- What tables hold.

struct Chain {
  enum class Hook : uint8_t {
    kNone,       // others go there
    kGuard,      // before translation
    kTranslate,  // the destination of a connection's first packet
    kSource,     // its source
  };
  Hook hook = Hook::kNone;
  std::vector<Rule> rules;

  bool operator==(const Chain&) const = default;
};

struct Set {
  enum class Kind : uint8_t {
    kSet,
    kVerdicts,      // a map to chains
    kEndpoints,     // a map to addresses and ports
    kCountClients,  // filled by IsClientOverCount
    kRateClients,   // filled by IsClientOverRate
  };
  Kind kind = Kind::kSet;
  Key key;
  bool is_interval = false;  // of the last field of the key; of others it has one value

  bool is_map() const { return kind == Kind::kVerdicts || kind == Kind::kEndpoints; }
  // Of an element: how often a first packet found it. A hash's slots are too many to be told apart.
  bool has_counters() const {
    return is_map() && key.fields != std::vector<Field>{Field::kSourceSlot};
  }
  bool is_dynamic() const { return kind == Kind::kCountClients || kind == Kind::kRateClients; }
  bool operator==(const Set&) const = default;
};

// The fields' values one after the other as registers hold them: padded to four bytes each.
using KeyBytes = std::string;

struct Element {
  KeyBytes last;      // of an interval
  Verdict verdict;    // kVerdicts
  Endpoint endpoint;  // kEndpoints

  bool operator==(const Element&) const = default;
};

using Elements = std::map<KeyBytes, Element>;

struct TimeoutPolicy {
  // As nft names it, and its number in messages.
  struct State {
    const char* name;
    uint16_t number;
    uint32_t seconds;
  };
  // What ends a flow soon is short, so that its record is, too.
  std::vector<State> Seconds() const;

  Family family = Family::kV4;
  // Whole seconds, at least one.
  uint32_t connect = 0;
  uint32_t established = 0;
  uint32_t half_close = 0;

  bool operator==(const TimeoutPolicy&) const = default;
};

struct Ruleset {
  std::string table;
  std::map<std::string, TimeoutPolicy> timeouts;
  std::map<std::string, Set> sets;
  std::map<std::string, Elements> elements;  // by set
  std::map<std::string, Chain> chains;

  bool operator==(const Ruleset&) const = default;
};

void AppendPort(uint16_t port, KeyBytes* key);
void AppendAddress(const IpBytes& address, KeyBytes* key);  // 4 or 16 bytes
void AppendSlot(uint32_t slot, KeyBytes* key);
Family FamilyOf(const IpBytes& address);

}  // namespace tlsbridge::kernel
