// How often each reason ended a connection, and each of its sides.
//
// Thread: one worker's; Add() sums those of several once they have stopped or on their own threads'
// word. Owner: the worker. Failure: none.
#pragma once

#include <stdint.h>

#include <array>

#include "bridge/ending.h"
#include "bridge/termination_reason.h"

namespace tlsbridge {

class TerminationStats {
 public:
  void IncrementTerminationStat(Side side, TerminationReason reason) {
    ++sides_[static_cast<size_t>(side)][static_cast<size_t>(reason)];
  }
  void IncrementConnections(TerminationReason reason) {
    ++connections_[static_cast<size_t>(reason)];
  }

  uint64_t side(Side side, TerminationReason reason) const {
    return sides_[static_cast<size_t>(side)][static_cast<size_t>(reason)];
  }
  uint64_t connections(TerminationReason reason) const {
    return connections_[static_cast<size_t>(reason)];
  }

  void Add(const TerminationStats& other) {
    for (size_t i = 0; i < kTerminationReasons; ++i) {
      connections_[i] += other.connections_[i];
      for (size_t s = 0; s < sides_.size(); ++s) sides_[s][i] += other.sides_[s][i];
    }
  }

 private:
  using Counts = std::array<uint64_t, kTerminationReasons>;
  std::array<Counts, 2> sides_ = {};
  Counts connections_ = {};
};

}  // namespace tlsbridge
