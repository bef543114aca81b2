#include <algorithm>

#include "router/kernel/batch.h"

namespace tlsbridge::kernel {
namespace {

template <typename Value>
const Value* Find(const std::map<std::string, Value>& map, const std::string& name) {
  const auto found = map.find(name);
  return found == map.end() ? nullptr : &found->second;
}

const Elements& ElementsOf(const Ruleset& rules, const std::string& set) {
  static const Elements* const none = new Elements;
  const Elements* const elements = Find(rules.elements, set);
  return elements == nullptr ? *none : *elements;
}

// Those of `a` that `b` has not, or has otherwise.
Elements Without(const Elements& a, const Elements& b) {
  Elements rest;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::inserter(rest, rest.end()),
                      [](const auto& left, const auto& right) { return left.first < right.first; });
  for (const auto& [key, element] : a) {
    const auto other = b.find(key);
    if (other != b.end() && other->second != element) rest.emplace(key, element);
  }
  return rest;
}

}  // namespace

Batch FullBatch(const Ruleset& rules, uint32_t table_flags, bool replaces) {
  Batch batch(rules.table);
  if (replaces) batch.DeleteTable();
  batch.AddTable(table_flags);
  for (const auto& [name, policy] : rules.timeouts) batch.AddTimeouts(name, policy);
  for (const auto& [name, set] : rules.sets) batch.AddSet(name, set);
  for (const auto& [name, chain] : rules.chains) batch.AddChain(name, chain);
  for (const auto& [name, chain] : rules.chains) batch.AddRules(name, chain.rules);
  for (const auto& [name, set] : rules.sets) batch.AddElements(name, set, ElementsOf(rules, name));
  return batch;
}

Batch DifferenceBatch(const Ruleset& from, const Ruleset& to) {
  Batch batch(to.table);
  // What is new, so that all that follows may refer to it.
  for (const auto& [name, policy] : to.timeouts) {
    if (Find(from.timeouts, name) == nullptr) batch.AddTimeouts(name, policy);
  }
  for (const auto& [name, set] : to.sets) {
    if (Find(from.sets, name) == nullptr) batch.AddSet(name, set);
  }
  for (const auto& [name, chain] : to.chains) {
    if (Find(from.chains, name) == nullptr) batch.AddChain(name, chain);
  }
  // What refers to that which goes.
  for (const auto& [name, chain] : from.chains) {
    const Chain* const now = Find(to.chains, name);
    if (!chain.rules.empty() && (now == nullptr || now->rules != chain.rules)) {
      batch.DeleteRules(name);
    }
  }
  for (const auto& [name, set] : from.sets) {
    // Those of a set that goes go with it; but elements hold chains, which may go before.
    if (Find(to.sets, name) != nullptr || set.kind == Set::Kind::kVerdicts) {
      batch.DeleteElements(name, set, Without(ElementsOf(from, name), ElementsOf(to, name)));
    }
  }
  for (const auto& [name, chain] : to.chains) {
    const Chain* const before = Find(from.chains, name);
    if (before == nullptr || before->rules != chain.rules) batch.AddRules(name, chain.rules);
  }
  for (const auto& [name, set] : to.sets) {
    batch.AddElements(name, set, Without(ElementsOf(to, name), ElementsOf(from, name)));
  }
  // What nothing refers to any more.
  for (const auto& [name, chain] : from.chains) {
    if (Find(to.chains, name) == nullptr) batch.DeleteChain(name);
  }
  for (const auto& [name, set] : from.sets) {
    if (Find(to.sets, name) == nullptr) batch.DeleteSet(name);
  }
  for (const auto& [name, policy] : from.timeouts) {
    if (Find(to.timeouts, name) == nullptr) batch.DeleteTimeouts(name);
  }
  return batch;
}

}  // namespace tlsbridge::kernel
