#include "router/handshakes/signing_thread.h"

#include <openssl/nid.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <sys/resource.h>

#include <memory>
#include <thread>
#include <vector>

#include "bridge/event/clock.h"
#include "gtest/gtest.h"

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
  std::shared_ptr<tls::SigningJob> MakeJob() {
    static constexpr uint8_t kInput[] = {1, 2, 3};
    return std::make_shared<tls::SigningJob>(
        bssl::UpRef(Key()), SSL_SIGN_RSA_PSS_RSAE_SHA256, absl::MakeConstSpan(kInput), [this] {
          ++done_;
          on_loop_ = on_loop_ && std::this_thread::get_id() == loop_thread_;
        });
  }
  // The loop sleeps until it is woken, by its alarm at the latest.
  void AwaitDone(int jobs) {
    for (int i = 0; i < 10'000 && done_ < jobs; ++i) loop_->Turn(/*wait=*/true);
    ASSERT_EQ(done_, jobs);
  }

  SystemClock clock_{};
  std::unique_ptr<EventLoop> loop_ = *EventLoop::Create(&clock_);
  const std::thread::id loop_thread_ = std::this_thread::get_id();
  int done_ = 0;
  bool on_loop_ = true;
};

// The first, since the stack of a thread that has ended would do for the next.
TEST_F(SigningThreadTest, WithoutAThreadTheWorkerSignsWhenItsPatienceIsOverAndThenAtItsPace) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer does not outlive a failed mmap()";
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_AS, &before), 0);
  ManualClock clock;
  const std::unique_ptr<EventLoop> loop = *EventLoop::Create(&clock);
  SigningThread signer(loop.get());
  const auto first = MakeJob();
  const auto second = MakeJob();
  const rlimit none = {1 << 20, before.rlim_max};  // no room for a thread's stack
  ASSERT_EQ(setrlimit(RLIMIT_AS, &none), 0);
  signer.Sign(first);
  signer.Sign(second);
  ASSERT_EQ(setrlimit(RLIMIT_AS, &before), 0);
  const auto done_after = [&](absl::Duration time) {
    clock.Advance(time);
    loop->Turn(/*wait=*/false);
    return done_;
  };
  constexpr absl::Duration kTick = absl::Milliseconds(2);
  EXPECT_EQ(done_after(SigningThread::kPatience - kTick), 0);
  EXPECT_EQ(done_after(2 * kTick), 1);
  EXPECT_EQ(done_after(SigningThread::kPace - kTick), 1);
  EXPECT_EQ(done_after(2 * kTick), 2);
  EXPECT_EQ(first->signature().size(), 256u);
  EXPECT_EQ(second->signature().size(), 256u);
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

TEST_F(SigningThreadTest, IsFullWithOneJobInHandAndOneNext) {
  SigningThread signer(loop_.get());
  signer.Sign(MakeJob());
  EXPECT_FALSE(signer.full());
  signer.Sign(MakeJob());
  EXPECT_TRUE(signer.full());
  AwaitDone(2);
  EXPECT_FALSE(signer.full());
}

TEST_F(SigningThreadTest, MayBeDestroyedWithJobsInHand) {
  for (int i = 0; i < 20; ++i) {
    SigningThread signer(loop_.get());
    for (int j = 0; j < 3; ++j) signer.Sign(MakeJob());
  }
  EXPECT_EQ(done_, 0);
}

}  // namespace
}  // namespace tlsbridge
