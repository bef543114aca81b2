// How many first packets of connections our rules have found, by the port that clients dialled:
// what is counted and never becomes a flow was dropped behind our rules.
//
// Thread: any; opens a socket of its own and closes it. Failure: a Status that says what the kernel
// said.
#pragma once

#include <stdint.h>

#include <map>

#include "absl/status/statusor.h"
#include "router/kernel/ruleset.h"

namespace tlsbridge::kernel {

// Of the table as it is in the kernel. An element that is replaced counts anew.
absl::StatusOr<std::map<uint16_t, uint64_t>> CountFirstPackets(const Ruleset& rules);

}  // namespace tlsbridge::kernel
