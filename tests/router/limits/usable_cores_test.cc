#include "router/limits/usable_cores.h"

#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

TEST(CoresOfQuota, RoundsUpSoThatHalfACoreIsOne) {
  EXPECT_EQ(CoresOfQuota("50000 100000\n"), 1);
  EXPECT_EQ(CoresOfQuota("100000 100000"), 1);
  EXPECT_EQ(CoresOfQuota("150000 100000"), 2);
  EXPECT_EQ(CoresOfQuota("400000 100000"), 4);
}

TEST(CoresOfQuota, IsNoLimitForMaxAndForWhatItDoesNotUnderstand) {
  for (const char* text :
       {"max 100000", "", "\n", "100000", "1 2 3", "-1 100000", "100000 0", "x y"}) {
    EXPECT_EQ(CoresOfQuota(text), 0) << text;
  }
}

TEST(UsableCores, IsOneAtLeast) { EXPECT_GE(UsableCores(), 1); }

}  // namespace
}  // namespace tlsbridge
