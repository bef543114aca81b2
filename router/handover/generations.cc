#include "router/handover/generations.h"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace tlsbridge {

Generations::~Generations() {
  for (const Process& process : before_) close(process.fd);
  if (self_ >= 0) close(self_);
}

void Generations::Inherit(const HandoverState& state, const std::vector<int>& processes) {
  number_ = state.generation;
  size_t next = 0;
  for (const auto& generation : state.draining) {
    if (!generation.has_fd || next == processes.size()) continue;
    before_.push_back({generation.number, generation.pid, processes[next++]});
  }
}

// The descriptor of a process is readable once that has ended.
void Generations::ForgetEnded() {
  std::vector<Process> living;
  for (const Process& process : before_) {
    pollfd ended = {process.fd, POLLIN, 0};
    if (poll(&ended, 1, 0) == 0) {
      living.push_back(process);
    } else {
      close(process.fd);
    }
  }
  before_.swap(living);
}

std::vector<Generations::Draining> Generations::draining() {
  ForgetEnded();
  std::vector<Draining> draining;
  for (const Process& process : before_) draining.push_back({process.number, process.pid});
  return draining;
}

void Generations::Describe(HandoverState* state, std::vector<int>* processes) {
  ForgetEnded();
  if (self_ < 0) self_ = static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0));
  state->generation = number_ + 1;
  for (const Process& process : before_) {
    state->draining.push_back({process.number, process.pid, true});
    processes->push_back(process.fd);
  }
  state->draining.push_back({number_, getpid(), self_ >= 0});
  if (self_ >= 0) processes->push_back(self_);
}

}  // namespace tlsbridge
