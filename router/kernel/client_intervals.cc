#include "router/kernel/client_intervals.h"

#include <stdint.h>

#include <algorithm>
#include <map>
#include <optional>

#include "router/routes/block_map.h"

namespace tlsbridge::kernel {
namespace {

constexpr IpBytes kFirstV4 = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr IpBytes kLastV4 = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
constexpr IpBytes kFirstV6 = {};
constexpr IpBytes kLastV6 = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                             0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
constexpr int kMappedBits = 96;

IpBytes LastOf(const Cidr& block) {
  IpBytes last = block.prefix();
  for (int bit = block.length(); bit < 128; ++bit) {
    last[static_cast<size_t>(bit / 8)] |= static_cast<uint8_t>(0x80 >> bit % 8);
  }
  return last;
}

// The address behind this one; none behind the last.
std::optional<IpBytes> After(IpBytes address) {
  for (size_t i = address.size(); i-- > 0;) {
    if (++address[i] != 0) return address;
  }
  return std::nullopt;
}

IpBytes Before(IpBytes address) {
  for (size_t i = address.size(); i-- > 0;) {
    if (address[i]-- != 0) break;
  }
  return address;
}

bool IsOfFamily(const Cidr& block, bool is_v4) {
  return (block.length() >= kMappedBits && IsV4(block.prefix())) == is_v4;
}

// Of lists that may be long: who is asked about many clients.
class Askings {
 public:
  Askings(absl::Span<const Claim> claims, absl::Span<const Route> routes)
      : claims_(claims), routes_(routes) {
    for (size_t i = 0; i < claims.size(); ++i) {
      if (claims[i].clients) {
        by_block_.Add(*claims[i].clients, i);
      } else {
        everybody_ = std::min(everybody_, i);
      }
      if (claims[i].route && !lists_.contains(*claims[i].route)) {
        lists_.emplace(*claims[i].route, Lists(routes[*claims[i].route]));
      }
    }
  }

  std::optional<size_t> RouteOf(const IpBytes& client) const {
    const size_t first = std::min(by_block_.LeastOf(client).value_or(SIZE_MAX), everybody_);
    if (first == SIZE_MAX || !claims_[first].route) return std::nullopt;
    const size_t route = *claims_[first].route;
    const Lists& lists = lists_.at(route);
    if (lists.deny.LeastOf(client)) return std::nullopt;
    if (!routes_[route].allow.empty() && !lists.allow.LeastOf(client)) return std::nullopt;
    return route;
  }

 private:
  struct Lists {
    explicit Lists(const Route& route) {
      for (const Cidr& block : route.deny) deny.Add(block, 0);
      for (const Cidr& block : route.allow) allow.Add(block, 0);
    }
    BlockMap deny;
    BlockMap allow;
  };

  const absl::Span<const Claim> claims_;
  const absl::Span<const Route> routes_;
  BlockMap by_block_;
  size_t everybody_ = SIZE_MAX;  // the first claim of all clients
  std::map<size_t, Lists> lists_;
};

}  // namespace

bool IsV4(const IpBytes& address) {
  return std::equal(kFirstV4.begin(), kFirstV4.begin() + 12, address.begin());
}

bool IsEverybody(const ClientInterval& interval) {
  return (interval.first == kFirstV4 && interval.last == kLastV4) ||
         (interval.first == kFirstV6 && interval.last == kLastV6);
}

std::vector<ClientInterval> CutClients(absl::Span<const Claim> claims,
                                       absl::Span<const Route> routes, bool is_v4) {
  // Between two neighbours of these nothing changes: to ask for the first address is to ask for
  // all.
  std::vector<IpBytes> starts = {is_v4 ? kFirstV4 : kFirstV6};
  const auto cut = [&](const Cidr& block) {
    if (!IsOfFamily(block, is_v4)) return;
    starts.push_back(block.prefix());
    const std::optional<IpBytes> after = After(LastOf(block));
    if (!after || (is_v4 && !IsV4(*after))) return;
    starts.push_back(*after);
    // No client of IPv6 has a mapped address: what is asked for one says nothing of those behind.
    if (!is_v4 && IsV4(*after)) starts.push_back(*After(kLastV4));
  };
  for (const Claim& claim : claims) {
    if (claim.clients) cut(*claim.clients);
    if (!claim.route) continue;
    std::for_each(routes[*claim.route].deny.begin(), routes[*claim.route].deny.end(), cut);
    std::for_each(routes[*claim.route].allow.begin(), routes[*claim.route].allow.end(), cut);
  }
  std::sort(starts.begin(), starts.end());
  starts.erase(std::unique(starts.begin(), starts.end()), starts.end());

  const Askings askings(claims, routes);
  std::vector<ClientInterval> intervals;
  for (size_t i = 0; i < starts.size(); ++i) {
    const std::optional<size_t> route = askings.RouteOf(starts[i]);
    if (!route) continue;
    const bool is_last = i + 1 == starts.size();
    const IpBytes last = !is_last ? Before(starts[i + 1]) : is_v4 ? kLastV4 : kLastV6;
    if (!intervals.empty() && intervals.back().route == *route &&
        After(intervals.back().last) == starts[i]) {
      intervals.back().last = last;
    } else {
      intervals.push_back({starts[i], last, *route});
    }
  }
  return intervals;
}

}  // namespace tlsbridge::kernel
