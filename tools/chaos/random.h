// Reproducible random numbers: the same seed and number give the same sequence on every machine.
#pragma once

#include <cstdint>

namespace tlsbridge::chaos {

// SplitMix64: one addition and three mixing steps a number, and any state is a good one.
inline uint64_t Mix(uint64_t value) {
  value += 0x9e3779b97f4a7c15;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

class Random {
 public:
  Random(uint64_t seed, uint64_t number) : state_(Mix(seed) ^ Mix(~number)) {}

  uint64_t Next() { return Mix(state_++); }
  // From 0 to `limit` - 1. REQUIRES: limit > 0.
  uint64_t Below(uint64_t limit) { return Next() % limit; }
  uint64_t Between(uint64_t least, uint64_t most) { return least + Below(most - least + 1); }
  bool Percent(uint64_t percent) { return Below(100) < percent; }

 private:
  uint64_t state_;
};

}  // namespace tlsbridge::chaos
