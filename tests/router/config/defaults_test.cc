// What nobody has set must be right where most people run the program.

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "router/config/config.h"

namespace tlsbridge {
namespace {

TEST(DefaultsTest, StoppingFitsIntoTheThirtySecondsThatKubernetesWaits) {
  constexpr absl::Duration kGracePeriod = absl::Seconds(30);
  // Of a configuration source that hangs, and of a log that nobody reads.
  constexpr absl::Duration kForWhatHangs = absl::Seconds(3);
  const Shutdown shutdown;
  EXPECT_LT(shutdown.drain_delay + shutdown.drain_timeout + BridgeOptions().grace + kForWhatHangs,
            kGracePeriod);
}

}  // namespace
}  // namespace tlsbridge
