// What a process that hands the kernel's table over says of its flows, as bytes.
//
// Thread: any; values. Failure: DecodeFlows() returns a Status; nothing is believed of what is not
// right to its last byte.
#pragma once

#include <stdint.h>

#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "router/handover/secret_bytes.h"
#include "router/kernel/known_flows.h"

namespace tlsbridge {

SecretBytes EncodeFlows(const std::vector<kernel::KnownFlow>& flows);
absl::StatusOr<std::vector<kernel::KnownFlow>> DecodeFlows(absl::Span<const uint8_t> bytes);

}  // namespace tlsbridge
