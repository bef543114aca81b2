#include "router/handshakes/turns.h"

#include <utility>

namespace tlsbridge {

void Turns::Add(Waiter* waiter, const void* route) {
  const auto [known, is_new] = by_route_.try_emplace(route);
  if (is_new) known->second = lines_.insert(lines_.end(), {route, {}});
  waiter->turns_ = this;
  waiter->line_ = known->second;
  waiter->place_ = waiter->line_->waiters.insert(waiter->line_->waiters.end(), waiter);
  ++size_;
}

void Turns::Remove(Waiter* waiter) {
  if (waiter->turns_ != nullptr) waiter->turns_->Take(waiter);
}

Turns::Waiter* Turns::Next() {
  Waiter* const next = lines_.front().waiters.front();
  // Its route's next turn is behind those of all others.
  lines_.splice(lines_.end(), lines_, lines_.begin());
  Take(next);
  return next;
}

void Turns::Take(Waiter* waiter) {
  const auto line = waiter->line_;
  line->waiters.erase(waiter->place_);
  waiter->turns_ = nullptr;
  --size_;
  if (!line->waiters.empty()) return;
  by_route_.erase(line->route);
  lines_.erase(line);
}

}  // namespace tlsbridge
