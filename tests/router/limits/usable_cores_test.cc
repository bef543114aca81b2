#include "router/limits/usable_cores.h"

#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

TEST(UsableCores, IsOneAtLeast) { EXPECT_GE(UsableCores(), 1); }

}  // namespace
}  // namespace tlsbridge
