// A client under the sequence's control, and what may have become of its connection.
//
// Thread: the test's. Owner: the sequence. Failure: none.
#pragma once

#include <stdint.h>

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "bridge/termination_reason.h"
#include "router/config/config.h"
#include "router/live/live_config.h"
#include "tests/support/peer.h"
#include "tests/support/tls_peer.h"

namespace tlsbridge::testing {

struct Client {
  static constexpr absl::Duration kHalfClose = absl::Seconds(60);
  static constexpr absl::Duration kSlack = absl::Milliseconds(2500);
  enum class Phase { kSilent, kHandshaking, kDialled, kBridging };

  uint64_t id = 0;
  std::string ip;
  std::string route;    // that it will ask for
  std::string address;  // its own
  std::unique_ptr<Peer> plain;
  std::unique_ptr<TlsPeer> tls;
  Phase phase = Phase::kSilent;
  bool entered = false;  // it has a route
  bool client_ended = false;
  bool backend_ended = false;
  bool stalled = false;

  // What was served when it came.
  std::shared_ptr<const Config> config;
  std::weak_ptr<const LiveConfig> live;
  std::weak_ptr<const LiveRoute> its_route;  // once it has one

  absl::Time came;
  absl::Time dialled;
  absl::Time last_activity;

  // ---- Its end: there may be none but for these reasons, from a time on; and there must be one by
  // `gone_by`.
  struct Ground {
    TerminationReason reason;
    absl::Time from;
  };
  std::vector<Ground> grounds;
  absl::Time gone_by = absl::InfiniteFuture();
  absl::Time retired = absl::InfiniteFuture();     // its route was taken away
  absl::Time retired_by = absl::InfiniteFuture();  // what it then has

  void MayEnd(std::initializer_list<TerminationReason> reasons, absl::Time from) {
    for (const TerminationReason reason : reasons) grounds.push_back({reason, from});
  }
  void MustEnd(std::initializer_list<TerminationReason> reasons, absl::Time at) {
    MayEnd(reasons, at);
    gone_by = std::min(gone_by, at);
  }
  // Of what it waited for until now nothing is left.
  void GoOn() {
    grounds.clear();
    gone_by = absl::InfiniteFuture();
  }
  void Retire(absl::Time now, absl::Duration drain_timeout) {
    retired = std::min(retired, now);
    retired_by = std::max(now, retired + drain_timeout);
  }
  bool half_closed() const { return client_ended || backend_ended; }
  absl::Time silent_until() const {
    return half_closed() ? last_activity + kHalfClose : absl::InfiniteFuture();
  }

  std::set<TerminationReason> ReasonsAt(absl::Time now) const {
    std::set<TerminationReason> reasons;
    for (const Ground& ground : grounds) {
      if (ground.from <= now) reasons.insert(ground.reason);
    }
    if (now >= retired) reasons.insert(TerminationReason::kRouteRemoved);
    if (now >= silent_until()) reasons.insert(TerminationReason::kHalfCloseTimeout);
    return reasons;
  }
  // A grace of a second is not counted, nor how seldom the clock moves.
  bool MustBeGone(absl::Time now) const {
    return now >= std::min({gone_by, retired_by, silent_until()}) + kSlack;
  }

  Peer& socket() { return plain != nullptr ? *plain : tls->socket(); }
  void Step() { plain != nullptr ? plain->Step() : tls->Step(); }
  void Send(const std::string& bytes) { plain != nullptr ? plain->Send(bytes) : tls->Send(bytes); }
};

}  // namespace tlsbridge::testing
