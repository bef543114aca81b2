// What limits must let in and what they must refuse, counted plainly: the reference for Admission.
//
// Thread: the test's. Owner: the test. Failure: none.
#pragma once

#include <stdint.h>

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <string>

#include "absl/time/time.h"
#include "bridge/termination_reason.h"
#include "router/config/config.h"

namespace tlsbridge::testing {

class LimitsModel {
 public:
  // `counts_all`: it knows clients by their addresses in any case, as the program's does.
  explicit LimitsModel(TerminationReason over_limit, bool counts_all = false)
      : over_limit_(over_limit), counts_all_(counts_all) {}

  void SetLimits(const Limits& limits) {
    limits_ = limits;
    if (limits.new_per_ip_per_minute == 0) rated_.clear();
  }
  // Whom it knew by their rates it need not know any more.
  void MayForget(absl::Time now) { may_know_since_ = now; }

  // All that may come of one more from `ip`; kNone is to be let in.
  std::set<TerminationReason> Expect(const std::string& ip, absl::Time now) const {
    if (limits_.connections > 0 && live() >= limits_.connections) return {over_limit_};
    if (limits_.connections_per_ip > 0 && CountedLive(ip) >= limits_.connections_per_ip) {
      return {TerminationReason::kIpLimit};
    }
    const int64_t rate = limits_.new_per_ip_per_minute;
    if (rate == 0) return {TerminationReason::kNone};
    // It knows of this minute exactly, of the last 60 seconds about; and of those who came while
    // there was another limit for clients than this one, it may know.
    const absl::Time minute = now - (now - absl::UnixEpoch()) % absl::Minutes(1);
    if (Came(rated_, ip, std::max(minute, may_know_since_)) >= rate) {
      return {TerminationReason::kRateLimit};
    }
    if (Came(came_, ip, now - absl::Minutes(2)) < rate) return {TerminationReason::kNone};
    return {TerminationReason::kNone, TerminationReason::kRateLimit};
  }

  void Enter(uint64_t id, const std::string& ip, absl::Time now) {
    const bool counted =
        counts_all_ || limits_.connections_per_ip > 0 || limits_.new_per_ip_per_minute > 0;
    live_[id] = counted ? ip : "";
    if (counted) came_[ip].push_back(now);
    if (limits_.new_per_ip_per_minute > 0) rated_[ip].push_back(now);
  }
  void Leave(uint64_t id) { live_.erase(id); }

  int64_t live() const { return static_cast<int64_t>(live_.size()); }

 private:
  int64_t CountedLive(const std::string& ip) const {
    int64_t count = 0;
    for (const auto& [id, its] : live_) count += its == ip ? 1 : 0;
    return count;
  }
  using Times = std::map<std::string, std::deque<absl::Time>>;
  static int64_t Came(const Times& came, const std::string& ip, absl::Time since) {
    const auto it = came.find(ip);
    if (it == came.end()) return 0;
    int64_t count = 0;
    for (const absl::Time at : it->second) count += at >= since ? 1 : 0;
    return count;
  }

  const TerminationReason over_limit_;
  const bool counts_all_;
  Limits limits_;
  absl::Time may_know_since_ = absl::InfinitePast();
  std::map<uint64_t, std::string> live_;  // who; an address if it was counted by that
  Times came_;                            // who was counted
  Times rated_;                           // and had a rate to keep to
};

}  // namespace tlsbridge::testing
