// The load generator's modes. Each runs to its end on the calling thread; errors are in the
// context's tally.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>

#include "tools/bench/load/histogram.h"
#include "tools/bench/load/load_context.h"

namespace tlsbridge::bench {

struct RunResult {
  uint64_t operations = 0;
  uint64_t bytes = 0;
  Histogram latency;
  nlohmann::ordered_json extra = nlohmann::ordered_json::object();
};

// Connections that are opened, used for one byte each way, and closed.
RunResult RunHandshakes(LoadContext& context);
// Echoes on connections that stay: closed loop, or at a given rate.
RunResult RunRoundtrips(LoadContext& context);
// Many bytes one way.
RunResult RunBulk(LoadContext& context);
// Connections that are held.
RunResult RunIdle(LoadContext& context);
// Echoes at a given rate while another process makes handshakes. Forks: call it before anything
// else is open.
RunResult RunStorm(LoadContext& context);

}  // namespace tlsbridge::bench
