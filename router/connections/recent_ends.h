// The last connections of a worker that ended in order, for who asks later what became of one:
// those that failed are kept elsewhere, with their lines (router/log/recent_failures.h).
//
// No peer can make this grow: the last kMost are kept, of each text kMostText bytes. Keeping one
// costs a quarter of a microsecond, since what its line in the log would say is copied, not written
// (which takes one and a half); a connection with its handshake costs two hundred. TCP probes,
// which are many and of which the log has no line, are not kept.
//
// Thread: the worker's. Owner: the ConnectionLog. Failure: none.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "router/connections/connection_filter.h"
#include "router/connections/ended_connection.h"

namespace tlsbridge {

class RecentEnds {
 public:
  static constexpr size_t kMost = 1000;     // a kilobyte each, mostly
  static constexpr size_t kMostText = 512;  // of what a client chooses

  struct Query {
    ConnectionFilter filter;     // but for the state
    std::optional<uint64_t> id;  // any without
    size_t limit = 100;          // the last ones
  };
  struct Found {
    absl::Time at;
    std::string json;  // {"time": ..., "fields": {...}}
  };

  void Add(EndedConnection ended);
  // The latest first.
  std::vector<Found> Find(const Query& query) const;

 private:
  std::vector<EndedConnection> kept_;  // a ring
  size_t next_ = 0;                    // once it is full: the oldest
};

}  // namespace tlsbridge
