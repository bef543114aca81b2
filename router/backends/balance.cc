#include "router/backends/balance.h"

#include <math.h>

#include <limits>

namespace tlsbridge {
namespace {

// The finalizer of SplitMix64: each bit of the input changes each bit of the output.
uint64_t Mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// Above zero and below one.
double Fraction(uint64_t bits) { return (static_cast<double>(bits >> 11) + 0.5) * 0x1p-53; }

// Each turn every candidate earns its weight, and the richest pays for all: shares are exact and
// evenly spread, a a b a rather than a a a b.
size_t SmoothRoundRobin(absl::Span<const Candidate> candidates) {
  double total = 0;
  size_t best = 0;
  for (size_t i = 0; i < candidates.size(); ++i) {
    *candidates[i].credit += candidates[i].weight;
    total += candidates[i].weight;
    if (*candidates[i].credit > *candidates[best].credit) best = i;
  }
  *candidates[best].credit -= total;
  return best;
}

// How busy it would be with one connection more.
double Load(const Candidate& candidate) {
  return static_cast<double>(candidate.connections + 1) / candidate.weight;
}

bool Lighter(const Candidate& a, const Candidate& b) {
  const double load_a = Load(a);
  const double load_b = Load(b);
  return load_a < load_b || (load_a == load_b && a.last_chosen < b.last_chosen);
}

size_t LeastConnections(absl::Span<const Candidate> candidates) {
  size_t best = 0;
  for (size_t i = 1; i < candidates.size(); ++i) {
    if (Lighter(candidates[i], candidates[best])) best = i;
  }
  return best;
}

// Weighted rendezvous: of exponential variables with rates w the smallest is the i-th with
// probability w_i / sum, and taking one away moves only the clients that it had.
size_t Rendezvous(absl::Span<const Candidate> candidates, uint64_t client_hash) {
  double least = std::numeric_limits<double>::infinity();
  size_t best = 0;
  for (size_t i = 0; i < candidates.size(); ++i) {
    const double wait =
        -log(Fraction(Mix(candidates[i].hash ^ client_hash))) / candidates[i].weight;
    if (wait < least) {
      least = wait;
      best = i;
    }
  }
  return best;
}

// By weight, leaving out `without`.
size_t Draw(absl::Span<const Candidate> candidates, size_t without, uint64_t random) {
  double total = 0;
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (i != without) total += candidates[i].weight;
  }
  double mark = Fraction(random) * total;
  size_t last = 0;
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (i == without) continue;
    last = i;
    mark -= candidates[i].weight;
    if (mark < 0) break;
  }
  return last;
}

size_t LighterOfTwo(absl::Span<const Candidate> candidates, uint64_t random) {
  const size_t first = Draw(candidates, candidates.size(), Mix(random));
  if (candidates.size() == 1) return first;
  const size_t second = Draw(candidates, first, Mix(random + 1));
  return Lighter(candidates[second], candidates[first]) ? second : first;
}

}  // namespace

size_t Choose(Balance balance, absl::Span<const Candidate> candidates, uint64_t client_hash,
              uint64_t random) {
  switch (balance) {
    case Balance::kRoundRobin:
      return SmoothRoundRobin(candidates);
    case Balance::kLeastConnections:
      return LeastConnections(candidates);
    case Balance::kSourceHash:
      return Rendezvous(candidates, client_hash);
    case Balance::kRandomTwo:
      return LighterOfTwo(candidates, random);
  }
  return 0;
}

// FNV-1a, finished so that texts that differ in their last byte only are far apart.
uint64_t StableHash(absl::string_view text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return Mix(hash);
}

}  // namespace tlsbridge
