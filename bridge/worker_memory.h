// What all bridges of a worker share while they move bytes, so that an idle one holds no buffer.
//
// Thread: the worker's; used by one call at a time. Owner: the worker; it outlives its bridges.
// Failure: none.
#pragma once

#include <stdint.h>

#include <vector>

#include "bridge/live_counters.h"
#include "bridge/splice_pipe.h"
#include "tls/staging.h"

namespace tlsbridge {

struct WorkerMemory {
  std::vector<uint8_t> socket_bytes = std::vector<uint8_t>(tls::Staging::kMaxInputBytes);
  tls::Staging tls;
  SplicePipe pipe;
  LiveCounters live;
};

}  // namespace tlsbridge
