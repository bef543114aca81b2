#include "router/routes/block_map.h"

#include <algorithm>

namespace tlsbridge {

IpBytes Masked(const IpBytes& address, int length) {
  IpBytes masked = {};
  const auto whole = static_cast<size_t>(length / 8);
  std::copy_n(address.begin(), whole, masked.begin());
  if (whole < masked.size()) {
    masked[whole] = static_cast<uint8_t>(address[whole] & ~(0xff >> (length % 8)));
  }
  return masked;
}

std::optional<Cidr> Intersection(const Cidr& a, const Cidr& b) {
  const Cidr& inner = a.length() < b.length() ? b : a;
  const Cidr& outer = a.length() < b.length() ? a : b;
  if (!outer.Contains(inner.prefix())) return std::nullopt;
  return inner;
}

void BlockMap::Add(const Cidr& block, size_t value) {
  blocks_.try_emplace({block.prefix(), block.length()}, block, value);
  lengths_.insert(block.length());
}

std::optional<size_t> BlockMap::Around(const Cidr& block) const {
  for (const int length : lengths_) {
    if (length > block.length()) break;
    const auto found = blocks_.find({Masked(block.prefix(), length), length});
    if (found != blocks_.end()) return found->second.second;
  }
  return std::nullopt;
}

std::optional<size_t> BlockMap::LeastOf(const IpBytes& address) const {
  std::optional<size_t> least;
  for (const int length : lengths_) {
    const auto found = blocks_.find({Masked(address, length), length});
    if (found == blocks_.end()) continue;
    if (!least || found->second.second < *least) least = found->second.second;
  }
  return least;
}

std::optional<size_t> BlockMap::FirstInside(const Cidr& block,
                                            absl::FunctionRef<bool(const Cidr&)> is_wanted) const {
  for (auto it = blocks_.lower_bound({block.prefix(), block.length()});
       it != blocks_.end() && block.Contains(it->second.first.prefix()); ++it) {
    if (is_wanted(it->second.first)) return it->second.second;
  }
  return std::nullopt;
}

}  // namespace tlsbridge
