// The one JSON object that a run prints.
#pragma once

#include <nlohmann/json.hpp>

#include "tools/bench/load/load_context.h"
#include "tools/bench/load/modes.h"

namespace tlsbridge::bench {

// REQUIRES: the run has ended.
nlohmann::ordered_json MakeReport(LoadContext& context, const RunResult& result);

}  // namespace tlsbridge::bench
