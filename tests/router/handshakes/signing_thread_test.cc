#include "router/handshakes/signing_thread.h"

#include <openssl/engine.h>
#include <openssl/nid.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "bridge/event/clock.h"
#include "gtest/gtest.h"
#include "router/handshakes/processor_use.h"

namespace tlsbridge {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

EVP_PKEY* Key() {
  static EVP_PKEY* const key = [] {
    bssl::UniquePtr<RSA> rsa(RSA_new());
    bssl::UniquePtr<BIGNUM> exponent(BN_new());
    BN_set_word(exponent.get(), RSA_F4);
    RSA_generate_key_ex(rsa.get(), 2048, exponent.get(), nullptr);
    EVP_PKEY* made = EVP_PKEY_new();
    EVP_PKEY_set1_RSA(made, rsa.get());
    return made;
  }();
  return key;
}

class SigningThreadTest : public ::testing::Test {
 protected:
  std::shared_ptr<tls::SigningJob> MakeJob(
      EVP_PKEY* key = Key(), std::function<void()> on_done = [] {}) {
    static constexpr uint8_t kInput[] = {1, 2, 3};
    return std::make_shared<tls::SigningJob>(
        bssl::UpRef(key), SSL_SIGN_RSA_PSS_RSAE_SHA256, absl::MakeConstSpan(kInput),
        [this, on_done = std::move(on_done)] {
          ++done_;
          on_done();
          on_loop_ = on_loop_ && std::this_thread::get_id() == loop_thread_;
        });
  }
  // The loop sleeps until it is woken.
  void AwaitDone(int jobs) {
    for (int i = 0; i < 10'000 && done_ < jobs; ++i) loop_->Turn(/*wait=*/true);
    ASSERT_EQ(done_, jobs);
  }

  ManualClock manual_clock_;
  std::unique_ptr<EventLoop> loop_ = *EventLoop::Create(&manual_clock_);
  const std::thread::id loop_thread_ = std::this_thread::get_id();
  int done_ = 0;
  bool on_loop_ = true;
};

// The first, since the stack of a thread that has ended would do for the next.
TEST_F(SigningThreadTest, WithoutAThreadTheWorkerSignsAtOnce) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer does not outlive a failed mmap()";
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_AS, &before), 0);
  SigningThread signer(loop_.get());
  const auto job = MakeJob();
  const rlimit none = {1 << 20, before.rlim_max};  // no room for a thread's stack
  ASSERT_EQ(setrlimit(RLIMIT_AS, &none), 0);
  signer.Sign(job);
  ASSERT_EQ(setrlimit(RLIMIT_AS, &before), 0);
  EXPECT_EQ(done_, 1);
  EXPECT_EQ(job->signature().size(), 256u);
  EXPECT_TRUE(signer.has_room());
  signer.Sign(MakeJob());
  EXPECT_EQ(done_, 1) << "with a thread it is that one's";
  AwaitDone(2);
}

TEST_F(SigningThreadTest, SignsAndTellsOnTheLoopsThread) {
  SigningThread signer(loop_.get());
  const auto job = MakeJob();
  signer.Sign(job);
  EXPECT_EQ(done_, 0) << "never before Sign() has returned";
  AwaitDone(1);
  EXPECT_TRUE(on_loop_);
  EXPECT_EQ(job->signature().size(), 256u);
}

TEST_F(SigningThreadTest, HasRoomForOneJobInHandAndOneNext) {
  SigningThread signer(loop_.get());
  signer.Sign(MakeJob());
  EXPECT_TRUE(signer.has_room());
  signer.Sign(MakeJob());
  EXPECT_FALSE(signer.has_room());
  AwaitDone(2);
  EXPECT_TRUE(signer.has_room());
}

TEST_F(SigningThreadTest, SignsOneAfterTheOtherForAsLongAsThereIsRoom) {
  SigningThread signer(loop_.get());
  constexpr int kJobs = 200;
  int given = 0;
  for (int i = 0; i < 100'000 && done_ < kJobs; ++i) {
    while (given < kJobs && signer.has_room()) {
      signer.Sign(MakeJob());
      ++given;
    }
    loop_->Turn(/*wait=*/true);
  }
  EXPECT_EQ(done_, kJobs);
  EXPECT_TRUE(on_loop_);
}

// ---- Where worker and thread have work, and others have the processor.

// The thread has the first job and gets no further, without using the processor, until it is let
// go; the time is the test's.
class StarvedThread : public SigningThreadTest {
 protected:
  static constexpr absl::Duration kTick = absl::Milliseconds(2);

  void SetUp() override {
    go_on_ = false;
    has_begun_ = false;
    by_worker_ = 0;
    signer_ = std::make_unique<SigningThread>(loop_.get());
    signer_->Sign(MakeJob(HeldKey()));
    while (!has_begun_) std::this_thread::yield();
  }
  void TearDown() override {
    LetGo();
    signer_.reset();
  }
  void LetGo() {
    go_on_ = true;
    go_on_.notify_all();
  }
  void Advance(absl::Duration time) {
    manual_clock_.Advance(time);
    loop_->Turn(/*wait=*/false);
  }

  // A key whose signatures wait for the test, unless the worker makes them.
  static EVP_PKEY* HeldKey() {
    static EVP_PKEY* const key = [] {
      static RSA_METHOD method = {};
      method.common.is_static = 1;
      method.private_transform = [](RSA*, uint8_t*, const uint8_t*, size_t) {
        if (std::this_thread::get_id() == worker_) {
          ++by_worker_;
          return 0;
        }
        policy_ = sched_getscheduler(0);  // of this thread
        has_begun_ = true;
        go_on_.wait(false);
        return 0;
      };
      const bssl::UniquePtr<ENGINE> engine(ENGINE_new());
      EXPECT_EQ(ENGINE_set_RSA_method(engine.get(), &method, sizeof(method)), 1);
      RSA* const rsa = RSA_new_method(engine.get());
      const RSA* const real = EVP_PKEY_get0_RSA(Key());
      RSA_set0_key(rsa, BN_dup(RSA_get0_n(real)), BN_dup(RSA_get0_e(real)),
                   BN_dup(RSA_get0_d(real)));
      EVP_PKEY* const made = EVP_PKEY_new();
      EVP_PKEY_assign_RSA(made, rsa);
      return made;
    }();
    return key;
  }

  static inline std::atomic<bool> go_on_{false};
  static inline std::atomic<bool> has_begun_{false};
  static inline std::atomic<int> policy_{-1};
  static inline const std::thread::id worker_ = std::this_thread::get_id();
  static inline int by_worker_ = 0;
  std::unique_ptr<SigningThread> signer_;
};

TEST_F(StarvedThread, TheWorkerSignsWhatItDoesNotComeTo) {
  signer_->Sign(MakeJob(HeldKey()));
  EXPECT_FALSE(signer_->has_room());
  Advance(SigningThread::kLook - kTick);
  EXPECT_EQ(by_worker_, 0);
  Advance(2 * kTick);
  EXPECT_EQ(by_worker_, 2) << "also the one that the thread is amid";
  EXPECT_EQ(done_, 2);
  EXPECT_TRUE(signer_->has_room());
}

TEST_F(StarvedThread, WhatTheThreadSignsTooLateIsNotToldAgain) {
  Advance(SigningThread::kLook + kTick);
  EXPECT_EQ(done_, 1);
  LetGo();
  Advance(SigningThread::kNeighbourStays);
  for (int i = 2; i < 12; ++i) {
    signer_->Sign(MakeJob());
    AwaitDone(i);
  }
  signer_.reset();
  EXPECT_EQ(done_, 11);
}

TEST_F(StarvedThread, ForAWhileTheWorkerSignsAndThenTheThreadThatYieldsIsTriedAgain) {
  EXPECT_EQ(policy_, SCHED_IDLE);
  Advance(SigningThread::kLook + kTick);
  LetGo();
  Advance(SigningThread::kNeighbourStays - 2 * kTick);
  signer_->Sign(MakeJob(HeldKey()));
  EXPECT_EQ(by_worker_, 2);
  EXPECT_EQ(done_, 2) << "at once";
  Advance(2 * kTick);
  signer_->Sign(MakeJob(HeldKey()));
  EXPECT_EQ(done_, 2);
  AwaitDone(3);
  EXPECT_EQ(by_worker_, 2);
}

TEST_F(StarvedThread, EachTimeThatItIsInVainTheThreadIsTriedHalfAsOften) {
  Advance(SigningThread::kLook + kTick);
  absl::Duration stays = SigningThread::kNeighbourStays;
  for (int tried = 1; tried < 10; ++tried) {
    Advance(stays - kTick);
    signer_->Sign(MakeJob(HeldKey()));
    EXPECT_EQ(done_, 2 * tried) << "the worker signs for " << stays;
    Advance(2 * kTick);
    signer_->Sign(MakeJob(HeldKey()));
    EXPECT_EQ(done_, 2 * tried);
    Advance(SigningThread::kLook + kTick);
    EXPECT_EQ(done_, 2 * tried + 1);
    stays = std::min(2 * stays, SigningThread::kLongestStay);
  }
}

// The worker has as much time as it really works, so that nobody else had the processor.
class StarvedByTheWorker : public StarvedThread {
 protected:
  void Work(absl::Duration time) {
    ProcessorUse use;
    use.Attach();
    const absl::Duration until = use.so_far() + time;
    while (use.so_far() < until) continue;
    Advance(time);
  }
};

TEST_F(StarvedByTheWorker, ItLooksForNoNeighbour) {
  signer_->Sign(MakeJob());
  Work(SigningThread::kLongestWait - kTick);
  EXPECT_EQ(done_, 0);
  LetGo();
  AwaitDone(2);
}

TEST_F(StarvedByTheWorker, OneSignatureAfterTheOtherIsMadeAllTheSame) {
  signer_->Sign(MakeJob(HeldKey()));
  Work(SigningThread::kLongestWait + kTick);
  EXPECT_EQ(by_worker_, 1) << "that which the thread is amid";
  Work(kTick);
  EXPECT_EQ(by_worker_, 1);
  Work(SigningThread::kLongestWait + kTick);
  EXPECT_EQ(by_worker_, 2);
  EXPECT_EQ(done_, 2);
}

TEST_F(StarvedByTheWorker, WhatHasWaitedLongestIsTheNext) {
  std::vector<int> order;
  int given = 0;
  for (int i = 0; i < 6; ++i) {
    while (signer_->has_room()) {
      signer_->Sign(MakeJob(HeldKey(), [&order, number = given++] { order.push_back(number); }));
    }
    Work(SigningThread::kLongestWait + kTick);
  }
  EXPECT_EQ(order, std::vector<int>({0, 1, 2, 3, 4}));
}

TEST_F(SigningThreadTest, MayBeDestroyedWithJobsInHand) {
  for (int i = 0; i < 20; ++i) {
    SigningThread signer(loop_.get());
    while (signer.has_room()) signer.Sign(MakeJob());
  }
  EXPECT_EQ(done_, 0);
}

}  // namespace
}  // namespace tlsbridge
