// What no key can tell alone: contradictions, overlaps, and what can never be reached.
//
// A check is left out where a key that it needs is wrong in itself, so that one mistake is told
// once.
//
// Thread: any; pure. Failure: adds to the problems.
#pragma once

#include "router/config/config.h"
#include "router/yaml/reading.h"

namespace tlsbridge::yaml {

void CheckConfig(const Config& config, Reading* reading);

// One of the routes, by itself; `index` is its position.
void CheckRoute(const Config& config, size_t index, Reading* reading);

// Of the routes that the kernel is to forward, what it cannot do: all together, and one by itself.
void CheckKernel(const Config& config, Reading* reading);
void CheckKernelRoute(const Config& config, size_t index, Reading* reading);

}  // namespace tlsbridge::yaml
