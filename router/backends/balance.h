// How one of several backends is chosen. Pure: the same arguments choose the same backend.
//
// Thread: any. Owner: the caller. Failure: none.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "router/config/config.h"

namespace tlsbridge {

struct Candidate {
  double weight = 1;  // above zero
  int64_t connections = 0;
  uint64_t hash = 0;         // of its name
  uint64_t last_chosen = 0;  // a number that grows with each choice
  double* credit = nullptr;  // round robin's account, kept by the caller; starts at zero
};

// An index into `candidates`, which has at least one. `client_hash` is for kSourceHash, `random`
// for kRandomTwo.
size_t Choose(Balance balance, absl::Span<const Candidate> candidates, uint64_t client_hash,
              uint64_t random);

// The same in every process, so that replicas send a client to the same backend.
uint64_t StableHash(absl::string_view text);

}  // namespace tlsbridge
