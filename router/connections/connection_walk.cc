#include "router/connections/connection_walk.h"

#include <algorithm>
#include <utility>

namespace tlsbridge {

ConnectionWalk::ConnectionWalk(EventLoop* loop, const ConnectionsById* connections)
    : connections_(connections),
      turn_(
          loop, [this] { TakeTurn(); }, Timer::Of::kService) {}

void ConnectionWalk::Begin(const IdRange& range, size_t in_a_turn,
                           absl::AnyInvocable<void(Connection&)> visit,
                           absl::AnyInvocable<void()> done) {
  Walk walk{range, in_a_turn, std::move(visit), std::move(done)};
  // Those that come from now on have greater ids.
  const uint64_t last = connections_->empty() ? 0 : connections_->rbegin()->first;
  walk.left.until = std::min(range.until, last);
  walks_.push_back(std::move(walk));
  if (!turn_.armed()) turn_.ArmAfter(absl::ZeroDuration());
}

void ConnectionWalk::TakeTurn() {
  Walk walk = std::move(walks_.front());
  walks_.pop_front();
  absl::AnyInvocable<void()> done;
  if (Step(&walk)) {
    done = std::move(walk.done);
  } else {
    walks_.push_back(std::move(walk));
  }
  if (!walks_.empty()) turn_.ArmAfter(absl::ZeroDuration());
  if (done) done();
}

bool ConnectionWalk::Step(Walk* walk) const {
  auto it = connections_->upper_bound(walk->left.after);
  for (size_t i = 0; i < walk->in_a_turn; ++i, ++it) {
    if (it == connections_->end() || it->first > walk->left.until) return true;
    walk->left.after = it->first;
    walk->visit(*it->second);
  }
  return it == connections_->end() || it->first > walk->left.until;
}

}  // namespace tlsbridge
