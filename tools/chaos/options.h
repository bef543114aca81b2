// What a run is told.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"

namespace tlsbridge::chaos {

// A sanitizer has memory of its own, and slows everything down.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

struct Options {
  std::string tlsbridge;  // path of the program
  uint64_t connections = 0;
  uint64_t seed = 0;
  size_t parallel = 0;
  std::optional<uint64_t> only;
  absl::Duration change_every;  // the configuration; zero: never
  size_t idle = 0;
  size_t allocations = 0;  // runs
  std::string fault_shim;  // path of the library that makes them fail
  // After this a peer that still waits for an end hangs.
  absl::Duration patience = absl::Seconds(kSanitized ? 60 : 25);
};

// Each returns the exit code: 0 when nothing was wrong.
int RunChaos(const Options& options);
int RunIdle(const Options& options);
int RunAllocations(const Options& options);

}  // namespace tlsbridge::chaos
