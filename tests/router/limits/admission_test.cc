// Who may come in: in all, per client address, per minute; and how little is remembered of them.

#include "router/limits/admission.h"

#include <arpa/inet.h>
#include <malloc.h>
#include <netinet/in.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

using Reason = TerminationReason;

SocketAddress Ipv4(uint32_t number) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(number);
  return SocketAddress::From(reinterpret_cast<const sockaddr*>(&address), sizeof(address));
}

class AdmissionTest : public ::testing::Test {
 protected:
  Admission& Make(const Limits& limits, int64_t budget = 1'000'000) {
    admission_ = std::make_unique<Admission>(limits, budget);
    return *admission_;
  }

  // Admits and keeps.
  Reason Enter(const SocketAddress& peer) {
    Admission::Token token;
    const Reason refusal = admission_->Admit(peer, now_, &token);
    if (refusal == Reason::kNone) tokens_.push_back(std::move(token));
    return refusal;
  }
  Reason Enter(const std::string& peer) { return Enter(*SocketAddress::Parse(peer)); }

  void Leave() { tokens_.pop_back(); }
  void LeaveAll() { tokens_.clear(); }

  absl::Time now_ = absl::UnixEpoch() + absl::Hours(1);
  std::unique_ptr<Admission> admission_;
  std::vector<Admission::Token> tokens_;
};

TEST_F(AdmissionTest, WhoIsInAlreadyIsCountedWhateverTheLimitsSay) {
  Limits limits;
  limits.connections = 2;
  limits.connections_per_ip = 1;
  limits.new_per_ip_per_minute = 3;
  Make(limits);
  const SocketAddress one = *SocketAddress::Parse("192.0.2.1:1");
  for (int i = 0; i < 3; ++i) admission_->Count(one, now_, &tokens_.emplace_back());
  EXPECT_EQ(admission_->connections(), 3);
  EXPECT_EQ(Enter("192.0.2.2:1"), Reason::kGlobalLimit);
  Leave();
  Leave();
  EXPECT_EQ(Enter(one), Reason::kIpLimit);
  Leave();
  EXPECT_EQ(Enter(one), Reason::kRateLimit);
  EXPECT_EQ(Enter("192.0.2.2:1"), Reason::kNone);
  LeaveAll();
  EXPECT_EQ(admission_->connections(), 0);
  now_ += absl::Minutes(3);
  admission_->Count(one, now_, &tokens_.emplace_back());
  EXPECT_EQ(Enter(one), Reason::kIpLimit);
}

TEST_F(AdmissionTest, PerAddressLimitsAreOffByDefault) {
  Make(Limits());
  for (int i = 0; i < 10'000; ++i) ASSERT_EQ(Enter("192.0.2.1:1"), Reason::kNone);
  EXPECT_EQ(admission_->connections(), 10'000);
  EXPECT_EQ(admission_->clients(), 0u) << "nothing is remembered where nothing is counted";
  LeaveAll();
  EXPECT_EQ(admission_->connections(), 0);
}

TEST_F(AdmissionTest, TheGlobalLimitCountsLiveConnections) {
  Make({.connections = 2});
  EXPECT_EQ(Enter("192.0.2.1:1"), Reason::kNone);
  EXPECT_EQ(Enter("192.0.2.2:1"), Reason::kNone);
  EXPECT_EQ(Enter("192.0.2.3:1"), Reason::kGlobalLimit);
  EXPECT_EQ(admission_->connections(), 2) << "a refused one is not counted";
  Leave();
  EXPECT_EQ(Enter("192.0.2.3:1"), Reason::kNone);
}

TEST_F(AdmissionTest, TheReasonSaysWhichLimitWasTheSmaller) {
  EXPECT_EQ(Make({.connections = 10}, /*budget=*/5).limit(), 5);
  EXPECT_EQ(Make({.connections = 5}, /*budget=*/10).limit(), 5);
  EXPECT_EQ(Make({}, /*budget=*/7).limit(), 7);
  Make({.connections = 10}, /*budget=*/0);
  EXPECT_EQ(Enter("192.0.2.1:1"), Reason::kFdLimit);
  Make({}, /*budget=*/0);
  EXPECT_EQ(Enter("192.0.2.1:1"), Reason::kFdLimit);
}

TEST_F(AdmissionTest, TheLimitOfOneAddressLeavesOthersAlone) {
  Make({.connections_per_ip = 2});
  EXPECT_EQ(Enter("192.0.2.1:1"), Reason::kNone);
  EXPECT_EQ(Enter("192.0.2.1:2"), Reason::kNone);
  EXPECT_EQ(Enter("192.0.2.1:3"), Reason::kIpLimit);
  EXPECT_EQ(Enter("192.0.2.2:1"), Reason::kNone);
  LeaveAll();
  EXPECT_EQ(Enter("192.0.2.1:4"), Reason::kNone);
}

TEST_F(AdmissionTest, AMappedAddressIsTheIpv4AddressItMaps) {
  Make({.connections_per_ip = 1});
  EXPECT_EQ(Enter("192.0.2.1:1"), Reason::kNone);
  EXPECT_EQ(Enter("[::ffff:192.0.2.1]:1"), Reason::kIpLimit);
}

TEST_F(AdmissionTest, Ipv6IsCountedBySlash64) {
  Make({.connections_per_ip = 1});
  EXPECT_EQ(Enter("[2001:db8::1]:1"), Reason::kNone);
  EXPECT_EQ(Enter("[2001:db8::ffff]:1"), Reason::kIpLimit);
  EXPECT_EQ(Enter("[2001:db8:0:1::1]:1"), Reason::kNone);
}

// ---- The rate.

TEST_F(AdmissionTest, TheRateCountsConnectionsThatHaveGone) {
  Make({.new_per_ip_per_minute = 3});
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Enter("192.0.2.1:1"), Reason::kNone);
    LeaveAll();
  }
  EXPECT_EQ(Enter("192.0.2.1:1"), Reason::kRateLimit);
  EXPECT_EQ(Enter("192.0.2.2:1"), Reason::kNone);
}

TEST_F(AdmissionTest, TheMinuteSlides) {
  Make({.new_per_ip_per_minute = 60});
  now_ += absl::Seconds(59);
  for (int i = 0; i < 60; ++i) ASSERT_EQ(Enter("192.0.2.1:1"), Reason::kNone);
  now_ += absl::Seconds(1);
  EXPECT_EQ(Enter("192.0.2.1:1"), Reason::kRateLimit) << "no second helping at the full minute";
  now_ += absl::Seconds(30);
  int let_in = 0;
  while (Enter("192.0.2.1:1") == Reason::kNone) ++let_in;
  EXPECT_EQ(let_in, 30) << "half of the last minute's have left the window";
  now_ += absl::Minutes(2);
  for (int i = 0; i < 60; ++i) ASSERT_EQ(Enter("192.0.2.1:1"), Reason::kNone);
  EXPECT_EQ(Enter("192.0.2.1:1"), Reason::kRateLimit);
}

TEST_F(AdmissionTest, AnotherProcessGoesOnCounting) {
  Make({.new_per_ip_per_minute = 3});
  ASSERT_EQ(Enter("192.0.2.9:1"), Reason::kNone);
  now_ += absl::Minutes(2);  // that one is forgotten
  ASSERT_EQ(Enter("192.0.2.1:1"), Reason::kNone);
  ASSERT_EQ(Enter("192.0.2.1:1"), Reason::kNone);
  const std::vector<Admission::Rate> rates = admission_->ExportRates(now_);
  ASSERT_EQ(rates.size(), 1u);
  LeaveAll();
  Make({.new_per_ip_per_minute = 3}).ImportRates(rates);
  EXPECT_EQ(Enter("192.0.2.1:1"), Reason::kNone);
  EXPECT_EQ(Enter("192.0.2.1:1"), Reason::kRateLimit);
  LeaveAll();
  now_ += absl::Minutes(2);
  EXPECT_EQ(Enter("192.0.2.1:1"), Reason::kNone);
}

TEST_F(AdmissionTest, RatesAreImportedOnlyWhereTheyAreLimitedAndNoMoreThanAreKept) {
  std::vector<Admission::Rate> many(Admission::kMaxIdleClients + 1);
  for (size_t i = 0; i < many.size(); ++i) many[i] = {std::to_string(i), 0, 1, 0};
  EXPECT_TRUE(Make({}).ExportRates(now_).empty());
  admission_->ImportRates(many);
  EXPECT_EQ(admission_->clients(), 0u);
  Make({.new_per_ip_per_minute = 3}).ImportRates(many);
  EXPECT_EQ(admission_->clients(), Admission::kMaxIdleClients);
  EXPECT_EQ(Enter("192.0.2.1:1"), Reason::kNone);
}

TEST_F(AdmissionTest, RefusedAttemptsDoNotCountAgainstTheRate) {
  Make({.new_per_ip_per_minute = 1});
  ASSERT_EQ(Enter("192.0.2.1:1"), Reason::kNone);
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(Enter("192.0.2.1:1"), Reason::kRateLimit);
  now_ += absl::Minutes(2);
  EXPECT_EQ(Enter("192.0.2.1:1"), Reason::kNone);
}

TEST_F(AdmissionTest, AttemptsRefusedForTheAddressLimitDoNotCountAgainstTheRate) {
  Make({.connections_per_ip = 1, .new_per_ip_per_minute = 2});
  ASSERT_EQ(Enter("192.0.2.1:1"), Reason::kNone);
  for (int i = 0; i < 10; ++i) ASSERT_EQ(Enter("192.0.2.1:1"), Reason::kIpLimit);
  LeaveAll();
  EXPECT_EQ(Enter("192.0.2.1:1"), Reason::kNone);
  LeaveAll();
  EXPECT_EQ(Enter("192.0.2.1:1"), Reason::kRateLimit);
}

// ---- Handshakes that are not finished.

TEST_F(AdmissionTest, AnAddressHasHalfOfTheHandshakesThatThereMayBe) {
  EXPECT_EQ(Make({.handshakes = 30}).handshakes_per_ip(), 15);
  EXPECT_EQ(Make({.connections = 20, .handshakes = 30}).handshakes_per_ip(), 10);
  EXPECT_EQ(Make({.handshakes = 30}, /*budget=*/14).handshakes_per_ip(), 7);
  EXPECT_EQ(Make({.handshakes = 30, .handshakes_per_ip = 29}).handshakes_per_ip(), 29);
  EXPECT_EQ(Make({.handshakes = 1}).handshakes_per_ip(), Admission::kLeastHandshakesPerIp);
  EXPECT_EQ(Make({}).handshakes_per_ip(), 0) << "a route has no limit of handshakes";
}

TEST_F(AdmissionTest, UnfinishedHandshakesOfOneAddressLeaveRoomForOthers) {
  Make({.handshakes = 10});
  for (int i = 0; i < 5; ++i) ASSERT_EQ(Enter("192.0.2.1:1"), Reason::kNone);
  EXPECT_EQ(Enter("192.0.2.1:1"), Reason::kIpHandshakeLimit);
  for (int i = 0; i < 5; ++i) ASSERT_EQ(Enter("192.0.2.2:1"), Reason::kNone);
  Leave();
  EXPECT_EQ(Enter("192.0.2.1:1"), Reason::kIpHandshakeLimit) << "it was another's";
  tokens_.erase(tokens_.begin());
  EXPECT_EQ(Enter("192.0.2.1:1"), Reason::kNone);
}

TEST_F(AdmissionTest, WhoseHandshakeIsDoneIsNoLongerCountedAmongThem) {
  Make({.handshakes_per_ip = 2});
  for (int i = 0; i < 50; ++i) {
    ASSERT_EQ(Enter("192.0.2.1:1"), Reason::kNone);
    tokens_.back().FinishHandshake();
    tokens_.back().FinishHandshake();
  }
  EXPECT_EQ(Enter("192.0.2.1:1"), Reason::kNone);
  EXPECT_EQ(Enter("192.0.2.1:1"), Reason::kNone);
  EXPECT_EQ(Enter("192.0.2.1:1"), Reason::kIpHandshakeLimit);
  LeaveAll();
  EXPECT_EQ(admission_->clients(), 0u) << "without a rate nothing is remembered of who has gone";
}

TEST_F(AdmissionTest, ABalancersHandshakesCountByTheClientsThatItNames) {
  Make({.handshakes_per_ip = 1});
  for (uint32_t i = 1; i <= 40; ++i) {
    Admission::Token token;
    ASSERT_EQ(admission_->AdmitUnnamed(&token), Reason::kNone);
    ASSERT_EQ(admission_->NameClient(Ipv4(i), now_, &token), Reason::kNone) << i;
    tokens_.push_back(std::move(token));
  }
  Admission::Token unnamed;
  ASSERT_EQ(admission_->AdmitUnnamed(&unnamed), Reason::kNone);
  unnamed.FinishHandshake();
  Admission::Token again;
  ASSERT_EQ(admission_->AdmitUnnamed(&again), Reason::kNone);
  EXPECT_EQ(admission_->NameClient(Ipv4(7), now_, &again), Reason::kIpHandshakeLimit);
}

TEST_F(AdmissionTest, ANewLimitOfHandshakesCountsThoseThatAreThere) {
  Make({.handshakes_per_ip = 3});
  for (int i = 0; i < 3; ++i) ASSERT_EQ(Enter(Ipv4(1)), Reason::kNone);
  admission_->SetLimits({.handshakes_per_ip = 2});
  EXPECT_EQ(Enter(Ipv4(1)), Reason::kIpHandshakeLimit);
  admission_->SetLimits({.handshakes_per_ip = 4});
  EXPECT_EQ(Enter(Ipv4(1)), Reason::kNone);
  admission_->SetLimits({});
  EXPECT_EQ(Enter(Ipv4(1)), Reason::kNone);
  LeaveAll();
  EXPECT_EQ(admission_->clients(), 0u);
}

// Clients come, finish, go; limits change, be it on and off. However that goes, the counts are
// those of who is there, and nothing is left of who is not.
TEST_F(AdmissionTest, NothingIsLostOrForgottenInAnySequence) {
  struct Live {
    uint32_t address;
    bool finished;
    bool counted;
  };
  for (uint32_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto below = [&random](size_t n) {
      return std::uniform_int_distribution<size_t>(0, n - 1)(random);
    };
    Limits limits = {.connections_per_ip = 6, .handshakes_per_ip = 3};
    Make(limits);
    std::vector<Live> live;  // the model; of tokens_
    const auto count = [&live](uint32_t address, bool unfinished) {
      return std::count_if(live.begin(), live.end(), [&](const Live& each) {
        return each.counted && each.address == address && !(unfinished && each.finished);
      });
    };
    for (int step = 0; step < 2000; ++step) {
      const size_t what = below(10);
      if (what < 4) {
        const auto address = static_cast<uint32_t>(below(4));
        const bool counts = limits.connections_per_ip > 0 || limits.handshakes_per_ip > 0;
        Reason expected = Reason::kNone;
        if (limits.handshakes_per_ip > 0 && count(address, true) >= limits.handshakes_per_ip) {
          expected = Reason::kIpHandshakeLimit;
        }
        if (limits.connections_per_ip > 0 && count(address, false) >= limits.connections_per_ip) {
          expected = Reason::kIpLimit;
        }
        ASSERT_EQ(Enter(Ipv4(address)), expected) << "step " << step;
        if (expected == Reason::kNone) live.push_back({address, false, counts});
      } else if (what == 4) {
        limits.connections_per_ip = static_cast<int64_t>(below(7));
        limits.handshakes_per_ip = static_cast<int64_t>(below(4));
        admission_->SetLimits(limits);
      } else if (!live.empty()) {
        const size_t chosen = below(live.size());
        if (what < 7) {
          tokens_[chosen].FinishHandshake();
          live[chosen].finished = true;
        } else {
          tokens_.erase(tokens_.begin() + static_cast<ptrdiff_t>(chosen));
          live.erase(live.begin() + static_cast<ptrdiff_t>(chosen));
        }
      }
      ASSERT_EQ(admission_->connections(), static_cast<int64_t>(live.size())) << "step " << step;
    }
    LeaveAll();
    EXPECT_EQ(admission_->connections(), 0);
    EXPECT_EQ(admission_->clients(), 0u);
  }
}

// ---- Tokens.

TEST_F(AdmissionTest, AMovedTokenGivesItsPlaceBackOnce) {
  Make({.connections_per_ip = 1});
  Admission::Token first;
  ASSERT_EQ(admission_->Admit(Ipv4(1), now_, &first), Reason::kNone);
  Admission::Token second = std::move(first);
  first = std::move(second);
  EXPECT_EQ(admission_->connections(), 1);
  { const Admission::Token last = std::move(first); }
  EXPECT_EQ(admission_->connections(), 0);
  EXPECT_EQ(Enter(Ipv4(1)), Reason::kNone);
}

// ---- The table is bounded.

TEST_F(AdmissionTest, AMillionAddressesStayWithinTheBoundOfTheTable) {
  Make({.connections_per_ip = 10, .new_per_ip_per_minute = 10});
  const size_t before = mallinfo2().uordblks;
  for (uint32_t i = 0; i < 1'000'000; ++i) {
    ASSERT_EQ(Enter(Ipv4(i)), Reason::kNone);
    LeaveAll();
    ASSERT_LE(admission_->clients(), Admission::kMaxIdleClients + 1);
  }
  EXPECT_LT(mallinfo2().uordblks - before, 16u << 20) << "16 MiB, whatever strangers do";
}

TEST_F(AdmissionTest, RefusedStrangersDoNotGrowTheTableEither) {
  Make({.connections_per_ip = 1, .new_per_ip_per_minute = 1});
  ASSERT_EQ(Enter(Ipv4(0)), Reason::kNone);
  LeaveAll();
  for (uint32_t i = 1; i <= 200'000; ++i) {
    ASSERT_EQ(Enter(Ipv4(i)), Reason::kNone);
    LeaveAll();
    ASSERT_EQ(Enter(Ipv4(i)), Reason::kRateLimit);
  }
  EXPECT_LE(admission_->clients(), Admission::kMaxIdleClients + 1);
}

TEST_F(AdmissionTest, AnAddressWithALiveConnectionIsNeverForgotten) {
  Make({.connections_per_ip = 1, .new_per_ip_per_minute = 100});
  ASSERT_EQ(Enter(Ipv4(7)), Reason::kNone);
  for (uint32_t i = 100; i < 200'000; ++i) {
    Admission::Token gone_at_once;
    ASSERT_EQ(admission_->Admit(Ipv4(i), now_, &gone_at_once), Reason::kNone);
  }
  EXPECT_EQ(Enter(Ipv4(7)), Reason::kIpLimit);
}

// ---- Behind a balancer.

TEST_F(AdmissionTest, ABalancerCountsInTheTotalOnlyAndItsClientsByTheirAddresses) {
  Make({.connections = 100, .connections_per_ip = 1, .new_per_ip_per_minute = 2});
  for (uint32_t i = 1; i <= 40; ++i) {
    Admission::Token token;
    ASSERT_EQ(admission_->AdmitUnnamed(&token), Reason::kNone);
    ASSERT_EQ(admission_->NameClient(Ipv4(i), now_, &token), Reason::kNone) << i;
    tokens_.push_back(std::move(token));
  }
  EXPECT_EQ(admission_->connections(), 40);
  Admission::Token again;
  ASSERT_EQ(admission_->AdmitUnnamed(&again), Reason::kNone);
  EXPECT_EQ(admission_->NameClient(Ipv4(7), now_, &again), Reason::kIpLimit);
  again = Admission::Token();
  LeaveAll();
  EXPECT_EQ(admission_->connections(), 0);
  EXPECT_EQ(Enter(Ipv4(7)), Reason::kNone);
  LeaveAll();
  EXPECT_EQ(Enter(Ipv4(7)), Reason::kRateLimit) << "the third of the minute";
}

TEST_F(AdmissionTest, WorkersWhoseClocksLieOnBothSidesOfAMinuteCountTogether) {
  Make({.new_per_ip_per_minute = 4});
  const absl::Time minute = now_ + absl::Minutes(1);
  int in = 0;
  for (int i = 0; i < 20; ++i) {
    now_ = minute + (i % 2 == 0 ? absl::Milliseconds(1) : -absl::Milliseconds(1));
    in += Enter("192.0.2.1:1") == Reason::kNone ? 1 : 0;
  }
  EXPECT_LE(in, 4);
}

}  // namespace
}  // namespace tlsbridge
