// What a process that hands its table over knows of flows, and the next one could not find out:
// whose records are written already, and, of the others, their routes.
//
// Thread: any; values. Failure: DecodeFlows() returns a Status; nothing is believed of what is not
// right to its last byte.
#pragma once

#include <stdint.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace tlsbridge::kernel {

struct KnownFlow {
  uint32_t id = 0;
  // Nothing if it is recorded: its entry lingers, and nobody is to be told of it again.
  std::optional<std::string> route;

  bool operator==(const KnownFlow&) const = default;
};

std::vector<uint8_t> EncodeFlows(const std::vector<KnownFlow>& flows);
absl::StatusOr<std::vector<KnownFlow>> DecodeFlows(absl::Span<const uint8_t> bytes);

}  // namespace tlsbridge::kernel
