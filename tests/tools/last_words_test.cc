#include "tools/tlsbridge/last_words.h"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/tlsbridge/exit_codes.h"

namespace tlsbridge {
namespace {

TEST(LastWords, OneThreadSpeaksWhereAllCannotGoOn) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto all_at_once = [] {
    std::atomic<bool> begin = false;
    std::vector<std::thread> threads;
    for (int i = 0; i < 16; ++i) {
      threads.emplace_back([&begin] {
        while (!begin) std::this_thread::yield();
        CannotGoOn("out of memory");
      });
    }
    begin = true;
    for (std::thread& thread : threads) thread.join();
  };
  // Without its order, two in three go wrong.
  for (int i = 0; i < 20; ++i) {
    EXPECT_EXIT(all_at_once(), testing::ExitedWithCode(kExitCannotGoOn),
                testing::StrEq("tlsbridge: fatal: out of memory\n"));
  }
}

TEST(LastWords, ALongReasonIsCut) {
  EXPECT_EXIT(CannotGoOn(std::string(5000, 'x')), testing::ExitedWithCode(kExitCannotGoOn),
              testing::StrEq("tlsbridge: fatal: " + std::string(200, 'x') + "\n"));
}

}  // namespace
}  // namespace tlsbridge
