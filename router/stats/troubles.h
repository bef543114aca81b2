// What an operator should look into now, in words: what is wrong, with what, since when, and what
// to do about it.
//
// Each kind is described in troubles.cc; README.md of this folder lists them for readers, and a
// test compares the two.
//
// Thread: the control loop's. Failure: none.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "router/stats/service.h"

namespace tlsbridge {

struct Trouble {
  const char* kind;
  std::string subject;  // a route, a backend, a file, ...
  absl::Time since;     // by the wall; the infinite past if that is not known
  std::string message;
  std::string hint;  // what to do
};

// The kinds that there are.
absl::Span<const char* const> TroubleKinds();

// At most kMostTroubles of a kind, the oldest first; the last one then says how many more.
inline constexpr size_t kMostTroubles = 50;
std::vector<Trouble> FindTroubles(const Service& service);

// "ready", "ready; 2 problems", "draining; 1 problem", "not ready: routes that are down: a; ...".
std::string Verdict(const Service& service, size_t troubles);

}  // namespace tlsbridge
