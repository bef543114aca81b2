// What is known of one address that backends of a route have. Survives a change of the
// configuration; what belongs to one configuration, such as its turn in the round, is the pool's.
//
// Thread: any, with the book's lock held, except what is constant or atomic. Owner: shared by pools
// and leases; an EndpointBook finds it again. Failure: none.
#pragma once

#include <stdint.h>

#include <atomic>
#include <string>

#include "absl/time/time.h"
#include "router/backends/ejection_state.h"

namespace tlsbridge {

// Never used twice in a process.
using EndpointId = uint64_t;

struct EndpointState {
  EndpointState(EndpointId its_id, std::string its_name, uint64_t its_hash)
      : id(its_id), name(std::move(its_name)), hash(its_hash) {}

  bool good(absl::Time now) const { return healthy && !ejection.ejected(now); }

  const EndpointId id;
  const std::string name;  // its first address
  const uint64_t hash;

  std::atomic<int64_t> connections{0};
  int64_t leases = 0;
  int64_t failures = 0;

  bool healthy = true;  // until a check says otherwise
  EjectionState ejection;
  absl::Time back_since = absl::InfinitePast();  // when it appeared or became healthy
  absl::Time changed_at = absl::InfinitePast();  // when it was last ejected or its health changed
  std::string last_error;                        // of a connection or a check; empty for none
  absl::Time last_error_at = absl::InfinitePast();
};

}  // namespace tlsbridge
