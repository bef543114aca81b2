// Limits of control groups, read from a file tree as the kernel shows it.

#include "router/limits/control_groups.h"

#include <stdint.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <string>

#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

constexpr int64_t kMebibyte = int64_t{1} << 20;
constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

constexpr char kUnified[] =
    "23 21 0:22 / /proc rw,nosuid - proc proc rw\n"
    "30 21 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";

class ControlGroups : public ::testing::Test {
 protected:
  ControlGroups() { std::filesystem::remove_all(root_); }

  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path file = root_ + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }

  int Cores() const { return ReadControlGroupLimits(root_).cores; }
  int64_t Memory() const { return ReadControlGroupLimits(root_).memory_bytes; }

  const std::string root_ = ::testing::TempDir() + "/control_groups";
};

TEST_F(ControlGroups, WhatIsNotThereDoesNotLimit) {
  EXPECT_EQ(Cores(), 0);
  EXPECT_EQ(Memory(), kNoLimit);
  Write("/proc/self/mountinfo", "nonsense\n1 2 3 - cgroup2\n\n");
  Write("/proc/self/cgroup", "nonsense\n0\n0::\n0::nonsense\n");
  EXPECT_EQ(Cores(), 0);
  EXPECT_EQ(Memory(), kNoLimit);
}

TEST_F(ControlGroups, AContainerSeesItsOwnAtTheRoot) {
  Write("/proc/self/mountinfo", kUnified);
  Write("/proc/self/cgroup", "0::/\n");
  Write("/sys/fs/cgroup/cpu.max", "150000 100000\n");
  Write("/sys/fs/cgroup/memory.max", "67108864\n");
  EXPECT_EQ(Cores(), 2);
  EXPECT_EQ(Memory(), 64 * kMebibyte);
}

// As systemd makes them of CPUQuota= and MemoryMax=.
TEST_F(ControlGroups, AServiceHasThoseOfItsUnit) {
  Write("/proc/self/mountinfo", kUnified);
  Write("/proc/self/cgroup", "0::/system.slice/tlsbridge.service\n");
  const std::string unit = "/sys/fs/cgroup/system.slice/tlsbridge.service";
  Write(unit + "/cpu.max", "50000 100000\n");
  Write(unit + "/memory.max", "134217728\n");
  EXPECT_EQ(Cores(), 1);
  EXPECT_EQ(Memory(), 128 * kMebibyte);
}

TEST_F(ControlGroups, TheSmallestOnTheWayToTheRootCounts) {
  Write("/proc/self/mountinfo", kUnified);
  Write("/proc/self/cgroup", "0::/shop.slice/shop-web.slice/tlsbridge.service\n");
  const std::string slice = "/sys/fs/cgroup/shop.slice";
  const std::string inner = slice + "/shop-web.slice";
  const std::string unit = inner + "/tlsbridge.service";
  Write(unit + "/cpu.max", "max 100000\n");
  Write(unit + "/memory.max", "268435456\n");
  Write(inner + "/cpu.max", "400000 100000\n");
  Write(inner + "/memory.max", "max\n");
  Write(slice + "/cpu.max", "300000 100000\n");
  Write(slice + "/memory.max", "134217728\n");
  EXPECT_EQ(Cores(), 3);
  EXPECT_EQ(Memory(), 128 * kMebibyte);
  Write(inner + "/cpu.max", "200000 100000\n");
  Write(unit + "/memory.max", "1048576\n");
  EXPECT_EQ(Cores(), 2);
  EXPECT_EQ(Memory(), kMebibyte);
}

constexpr char kSeparate[] =
    "30 21 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "31 21 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "32 21 0:28 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
    "33 21 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

TEST_F(ControlGroups, VersionOneHasAHierarchyForEach) {
  Write("/proc/self/mountinfo", kSeparate);
  Write("/proc/self/cgroup",
        "9:cpuset:/\n4:memory:/system.slice/a.service\n3:cpu,cpuacct:/system.slice\n"
        "0::/system.slice/a.service\n");
  Write("/sys/fs/cgroup/memory/system.slice/a.service/memory.limit_in_bytes",
        "9223372036854771712\n");
  Write("/sys/fs/cgroup/memory/system.slice/memory.limit_in_bytes", "33554432\n");
  Write("/sys/fs/cgroup/cpu,cpuacct/system.slice/cpu.cfs_quota_us", "250000\n");
  Write("/sys/fs/cgroup/cpu,cpuacct/system.slice/cpu.cfs_period_us", "100000\n");
  Write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  Write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(Cores(), 3);
  EXPECT_EQ(Memory(), 32 * kMebibyte);
}

TEST_F(ControlGroups, AContainerOfVersionOneHasItsGroupMounted) {
  Write("/proc/self/mountinfo",
        "30 21 0:26 /docker/0a1b /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n");
  Write("/proc/self/cgroup", "4:memory:/docker/0a1b\n");
  Write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "33554432\n");
  EXPECT_EQ(Memory(), 32 * kMebibyte);
  Write("/proc/self/cgroup", "4:memory:/docker/0a1b/inner\n");
  Write("/sys/fs/cgroup/memory/inner/memory.limit_in_bytes", "1048576\n");
  EXPECT_EQ(Memory(), kMebibyte);
}

TEST_F(ControlGroups, AGroupOutsideOfWhatIsMountedIsLimitedByWhatIs) {
  Write("/proc/self/mountinfo", kUnified);
  Write("/proc/self/cgroup", "0::/../other.slice\n");
  Write("/sys/fs/cgroup/memory.max", "67108864\n");
  EXPECT_EQ(Memory(), 64 * kMebibyte);
}

TEST_F(ControlGroups, AMountWithABlankInItsNameIsFound) {
  Write("/proc/self/mountinfo", "30 21 0:26 / /my\\040groups rw - cgroup2 none rw\n");
  Write("/proc/self/cgroup", "0::/a\n");
  Write("/my groups/a/memory.max", "67108864\n");
  EXPECT_EQ(Memory(), 64 * kMebibyte);
}

TEST(CoresOfQuota, RoundsUpSoThatHalfACoreIsOne) {
  EXPECT_EQ(CoresOfQuota("50000 100000\n"), 1);
  EXPECT_EQ(CoresOfQuota("100000 100000"), 1);
  EXPECT_EQ(CoresOfQuota("150000 100000"), 2);
  EXPECT_EQ(CoresOfQuota("400000 100000"), 4);
  EXPECT_GT(CoresOfQuota("9223372036854775807 1"), 1000);
}

TEST(CoresOfQuota, IsNoLimitForMaxAndForWhatItDoesNotUnderstand) {
  for (const char* text :
       {"max 100000", "", "\n", "100000", "1 2 3", "-1 100000", "100000 0", "x y"}) {
    EXPECT_EQ(CoresOfQuota(text), 0) << text;
  }
}

}  // namespace
}  // namespace tlsbridge
