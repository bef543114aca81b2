// Gives each slot of the clients' hash a backend, by rendezvous hashing: a backend gets a share of
// the slots by its weight, and when one leaves or comes only its own slots change hands.
//
// Thread: any; pure. Failure: an empty list if no backend serves.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <vector>

#include "absl/types/span.h"
#include "router/kernel/plan.h"

namespace tlsbridge::kernel {

// For each of `slots` slots, the position of its backend.
std::vector<size_t> ShareOutSlots(absl::Span<const Backend> backends, uint32_t slots);

}  // namespace tlsbridge::kernel
