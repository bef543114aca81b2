// How many processes have served one after the other, and which of those before this one still
// have connections.
//
// Thread: the control loop's, after main's. Owner: the router. Failure: none; where the system has
// no descriptors of processes (pidfd_open(2)), those before this one are not known.
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include <vector>

#include "router/handover/state.h"

namespace tlsbridge {

class Generations {
 public:
  Generations() = default;  // the first
  ~Generations();
  Generations(const Generations&) = delete;
  Generations& operator=(const Generations&) = delete;

  // Those of a predecessor. `processes` are descriptors of those that have one.
  void Inherit(const HandoverState& state, const std::vector<int>& processes);

  struct Draining {
    uint64_t number;
    pid_t pid;
  };
  uint64_t number() const { return number_; }
  // Those before this one that have not ended.
  std::vector<Draining> draining();

  // What the next one is told: these, and this one. Descriptors stay ours.
  void Describe(HandoverState* state, std::vector<int>* processes);

 private:
  struct Process {
    uint64_t number;
    pid_t pid;
    int fd;
  };
  void ForgetEnded();

  uint64_t number_ = 1;
  int self_ = -1;
  std::vector<Process> before_;
};

}  // namespace tlsbridge
