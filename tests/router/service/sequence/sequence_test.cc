// Random sequences against a router's parts, on one thread and with a clock that is turned by hand;
// sequence.h says what happens and what must hold.
//
// By default a short run, the same each time, so that a change fails for what it did itself. A long
// one, of other seeds (0: nobody knows which):
//   bazel test --config=asan //tests/router/service/sequence:sequence_test --test_timeout=3600
//       --test_env=SEQUENCE_STEPS=1000000 --test_env=SEQUENCE_SEED=1
// Each failure names the seed of its case: with that as SEQUENCE_SEED it is the first.
#include "tests/router/service/sequence/sequence.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <map>
#include <random>
#include <string>

#include "gtest/gtest.h"

namespace tlsbridge::testing {
namespace {

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* value = getenv(name);
  return value == nullptr ? otherwise : strtoull(value, nullptr, 10);
}

TEST(SequenceTest, WhateverIsReloadedAndWhoeverComesOrDiesPromisesAreKept) {
  signal(SIGPIPE, SIG_IGN);
  constexpr int kStepsOfCase = 250;
  const uint64_t wanted = FromEnvironment("SEQUENCE_STEPS", 2'000);
  uint64_t seed = FromEnvironment("SEQUENCE_SEED", 20261130);
  if (seed == 0) seed = std::random_device()();
  printf("SEQUENCE_SEED=%llu\n", static_cast<unsigned long long>(seed));
  std::map<std::string, int> happened;
  for (uint64_t steps = 0; steps < wanted; steps += kStepsOfCase, ++seed) {
    Sequence one(seed);
    one.Run(kStepsOfCase);
    if (!HasFailure()) one.Finish();
    ASSERT_FALSE(HasFailure()) << "SEQUENCE_SEED=" << seed << ":\n  " << one.Story();
    for (const auto& [what, times] : one.happened()) happened[what] += times;
  }
  for (const auto& [what, times] : happened) printf("%s: %d\n", what.c_str(), times);
}

}  // namespace
}  // namespace tlsbridge::testing
