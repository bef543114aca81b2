// Blocks of addresses with a value each, asked about other blocks: which is around this one, which
// are inside. The cost is that of a few look-ups, however many blocks there are.
//
// Thread: one; a value. Failure: none.
#pragma once

#include <stddef.h>

#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/functional/function_ref.h"
#include "router/config/cidr.h"

namespace tlsbridge {

// The leading `length` bits.
IpBytes Masked(const IpBytes& address, int length);

// Of two blocks that overlap, one is inside the other.
std::optional<Cidr> Intersection(const Cidr& a, const Cidr& b);

class BlockMap {
 public:
  // The first value of a block stays.
  void Add(const Cidr& block, size_t value);

  // Of a block around this one, or equal to it.
  std::optional<size_t> Around(const Cidr& block) const;
  // The least of all blocks that have this address.
  std::optional<size_t> LeastOf(const IpBytes& address) const;
  // Of the first block inside of this one, in the order of addresses, that `is_wanted`.
  std::optional<size_t> FirstInside(const Cidr& block,
                                    absl::FunctionRef<bool(const Cidr&)> is_wanted) const;

 private:
  std::map<std::pair<IpBytes, int>, std::pair<Cidr, size_t>> blocks_;  // by prefix and length
  std::set<int> lengths_;
};

}  // namespace tlsbridge
