// Can this kernel do it, and if not, what is missing? Asks the kernel, and changes nothing.
//
// Thread: any; opens a socket of its own and closes it. Failure: none; what cannot be found out is
// an obstacle, too.
#pragma once

#include <stdint.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "router/kernel/ruleset.h"

namespace tlsbridge::kernel {

struct Obstacle {
  bool blocks = true;  // without it nothing is forwarded; else something is not known or not kept
  std::string what;
  std::string remedy;  // what to do, often a command

  bool operator==(const Obstacle&) const = default;
};

// Of a table with these rules; those that block come first.
std::vector<Obstacle> FindObstacles(const Ruleset& rules, bool keep);

// The same of forwarding itself alone: sysctls that somebody may change at any time.
std::vector<Obstacle> FindForwardingOff(const Ruleset& rules);

// OK, or an error that names all that blocks and what to do; also where a running process has a
// table of this name, by another socket than that with `own_port`.
absl::Status CanForward(const Ruleset& rules, bool keep, uint32_t own_port = 0);

// Turns the counting of bytes and times of connections on, where it may. False if it is off still.
bool TurnAccountingOn();

// Base chains of other tables that drop what they do not know of what is forwarded: "chain FORWARD
// of table ip filter". They may, or may not, let ours through.
std::vector<std::string> FindForwardDrops(const std::string& own_table);

}  // namespace tlsbridge::kernel
