// How connections ended, and what they carried so far, by route.
//
// There is one entry for each route that has had a connection, one for connections that ended
// without a route, and one for all routes that are gone: names are the configuration's, never a
// peer's, so that clients and reloads cannot make it grow.
//
// Thread: one worker's; Add() sums those of several. Owner: the worker. Failure: none.
#pragma once

#include <stdint.h>

#include <array>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "bridge/termination_reason.h"
#include "router/live/live_config.h"

namespace tlsbridge {

class RouteStats {
 public:
  struct Counts {
    std::array<uint64_t, kTerminationReasons> ended = {};
    uint64_t bytes_received = 0;  // from clients
    uint64_t bytes_sent = 0;      // to clients
    // What the kernel has forwarded: packets with their headers.
    uint64_t ip_bytes_received = 0;
    uint64_t ip_bytes_sent = 0;

    void CountEnd(TerminationReason reason) { ++ended[static_cast<size_t>(reason)]; }
    void CountBytes(uint64_t received, uint64_t sent);
    void CountIpBytes(uint64_t received, uint64_t sent);
    void Add(const Counts& other);
  };

  // REQUIRES: `route` is one of those that are served.
  Counts& Of(absl::string_view route) { return routes_[route]; }
  Counts& unrouted() { return unrouted_; }
  Counts& removed() { return removed_; }

  // From now on only these are served: what others have counted goes to removed().
  void Keep(absl::FunctionRef<bool(absl::string_view route)> is_served);
  void Add(const RouteStats& other);

  // {"routes":[{"name":...,"connections":N,"ended":{"normal":N,...},...}],"unrouted":{...},
  // "removed":{...}}: every route of `live`, with the connections that it has now and how its
  // backends are.
  std::string ToJson(const LiveConfig& live, absl::Time now) const;

 private:
  absl::flat_hash_map<std::string, Counts> routes_;
  Counts unrouted_;
  Counts removed_;
};

// {"closed_incoming":3,...}: what is not zero.
std::string ReasonsJson(absl::FunctionRef<uint64_t(TerminationReason)> count);

}  // namespace tlsbridge
