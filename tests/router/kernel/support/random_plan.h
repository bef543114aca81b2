// Plans of all forms, for tests that compare what is made of them in two ways.
#pragma once

#include <stdint.h>

#include "router/kernel/plan.h"

namespace tlsbridge::kernel {

// The same for the same seed.
Plan RandomPlan(uint32_t seed);

// "10.0.0.1" or "::1"; of a text that is neither, zeros.
IpBytes Ip(const char* text);

}  // namespace tlsbridge::kernel
