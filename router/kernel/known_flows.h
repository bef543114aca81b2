// What a process that hands its table over knows of a flow, and the next one could not find out:
// whether its record is written already, or else its route.
//
// Thread: any; a value.
#pragma once

#include <stdint.h>

#include <optional>
#include <string>

namespace tlsbridge::kernel {

struct KnownFlow {
  uint32_t id = 0;
  // Nothing if it is recorded: its entry lingers, and nobody is to be told of it again.
  std::optional<std::string> route;

  bool operator==(const KnownFlow&) const = default;
};

}  // namespace tlsbridge::kernel
