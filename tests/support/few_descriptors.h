// While it lives, the process can open so many descriptors and no more.
//
// Thread: the test's. Owner: the test; one at a time. Failure: EXPECTs.
#pragma once

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <vector>

#include "gtest/gtest.h"

namespace tlsbridge::testing {

class FewDescriptors {
 public:
  explicit FewDescriptors(int descriptors) {
    EXPECT_EQ(getrlimit(RLIMIT_NOFILE, &before_), 0);
    std::vector<int> spare;
    for (int i = 0; i <= descriptors; ++i) spare.push_back(open("/dev/null", O_RDONLY | O_CLOEXEC));
    const rlimit low = {static_cast<rlim_t>(spare.back()), before_.rlim_max};
    for (const int fd : spare) close(fd);
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  }
  FewDescriptors(const FewDescriptors&) = delete;
  FewDescriptors& operator=(const FewDescriptors&) = delete;
  ~FewDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_;
};

}  // namespace tlsbridge::testing
