#include "tls/tickets/session_cache.h"

#include <openssl/ssl.h>

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace tlsbridge::tls {
namespace {

class SessionCacheTest : public ::testing::Test {
 protected:
  // A session that can be told from others by its identity in memory.
  bssl::UniquePtr<SSL_SESSION> Make() const {
    return bssl::UniquePtr<SSL_SESSION>(SSL_SESSION_new(ctx_.get()));
  }

  void Put(const std::string& backend, bssl::UniquePtr<SSL_SESSION> session) {
    cache_.Put(backend, {std::move(session), absl::InfiniteFuture()});
  }
  bssl::UniquePtr<SSL_SESSION> Take(const std::string& backend) {
    return cache_.Take(backend).session;
  }

  const bssl::UniquePtr<SSL_CTX> ctx_{SSL_CTX_new(TLS_method())};
  SessionCache cache_;
};

TEST_F(SessionCacheTest, GivesTheNewestOfABackendOnceAndNoneOfAnother) {
  auto older = Make();
  auto newer = Make();
  const SSL_SESSION* const older_address = older.get();
  const SSL_SESSION* const newer_address = newer.get();
  Put("10.0.0.1:443", std::move(older));
  Put("10.0.0.1:443", std::move(newer));
  EXPECT_EQ(Take("10.0.0.2:443"), nullptr);
  EXPECT_EQ(Take("10.0.0.1:443").get(), newer_address);
  EXPECT_EQ(Take("10.0.0.1:443").get(), older_address);
  EXPECT_EQ(Take("10.0.0.1:443"), nullptr);
}

TEST_F(SessionCacheTest, KeepsFewPerBackendAndDropsItsOldest) {
  auto first = Make();
  const bssl::UniquePtr<SSL_SESSION> kept = bssl::UpRef(first);
  Put("a", std::move(first));
  Put("b", Make());
  for (size_t i = 0; i < SessionCache::kMaxPerBackend; ++i) Put("a", Make());
  EXPECT_EQ(cache_.size(), SessionCache::kMaxPerBackend + 1);
  while (const auto session = Take("a")) EXPECT_NE(session, kept);
  EXPECT_NE(Take("b"), nullptr);
}

TEST_F(SessionCacheTest, IsBoundedHoweverManyBackendsThereAre) {
  for (size_t i = 0; i < 3 * SessionCache::kMaxSessions; ++i) Put(absl::StrCat(i), Make());
  EXPECT_EQ(cache_.size(), SessionCache::kMaxSessions);
  EXPECT_EQ(Take("0"), nullptr);
  EXPECT_NE(Take(absl::StrCat(3 * SessionCache::kMaxSessions - 1)), nullptr);
}

TEST_F(SessionCacheTest, WorkersShareIt) {
  std::vector<std::thread> workers;
  for (int w = 0; w < 3; ++w) {
    workers.emplace_back([this, w] {
      for (int i = 0; i < 500; ++i) {
        Put(absl::StrCat(i % 7), Make());
        Take(absl::StrCat((i + w) % 7));
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  EXPECT_LE(cache_.size(), SessionCache::kMaxSessions);
}

}  // namespace
}  // namespace tlsbridge::tls
