// Walks over the connections of a worker, a few in each turn of its loop: whoever is served waits
// for a slice, never for all. In the order of their ids, over those that are there when the walk
// begins; one that has ended when its turn comes is not visited.
//
// Between two slices nothing is kept but the last id, so that connections may come and go. Walks
// take turns: one slice in a turn, however many are under way.
//
// Thread: the worker's. Owner: the ConnectionManager, whose map outlives it, as does the loop; what
// is under way when it dies is dropped, and its `done` not called. Failure: none.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <deque>
#include <limits>
#include <memory>

#include "absl/container/btree_map.h"
#include "absl/functional/any_invocable.h"
#include "bridge/event/event_loop.h"
#include "bridge/event/timer.h"
#include "router/connections/connection.h"

namespace tlsbridge {

using ConnectionsById = absl::btree_map<uint64_t, std::unique_ptr<Connection>>;

// Ids that are greater than `after`, up to `until`.
struct IdRange {
  uint64_t after = 0;
  uint64_t until = std::numeric_limits<uint64_t>::max();
};

class ConnectionWalk {
 public:
  // Of what costs some ten microseconds for each: half a millisecond for a slice.
  static constexpr size_t kThorough = 32;
  // Of what costs some ten nanoseconds.
  static constexpr size_t kQuick = 2048;

  ConnectionWalk(EventLoop* loop, const ConnectionsById* connections);
  ConnectionWalk(const ConnectionWalk&) = delete;
  ConnectionWalk& operator=(const ConnectionWalk&) = delete;

  // `visit` ends no connection. `done` runs after the last visit, in a later turn than this call.
  void Begin(const IdRange& range, size_t in_a_turn, absl::AnyInvocable<void(Connection&)> visit,
             absl::AnyInvocable<void()> done);

  size_t under_way() const { return walks_.size(); }

 private:
  struct Walk {
    IdRange left;
    size_t in_a_turn;
    absl::AnyInvocable<void(Connection&)> visit;
    absl::AnyInvocable<void()> done;
  };

  void TakeTurn();
  // True if it is at its end.
  bool Step(Walk* walk) const;

  const ConnectionsById* const connections_;  // Not owned.
  std::deque<Walk> walks_;
  Timer turn_;
};

}  // namespace tlsbridge
