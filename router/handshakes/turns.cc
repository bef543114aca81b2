#include "router/handshakes/turns.h"

#include <utility>

namespace tlsbridge {

void Turns::Add(Waiter* waiter, const void* route) {
  const auto [known, is_new] = by_route_.try_emplace(route);
  if (is_new) {
    if (spare_.empty()) spare_.emplace_back();
    known->second = spare_.begin();
    *known->second = {.route = route};
    lines_.splice(lines_.end(), spare_, known->second);
  }
  Line& line = *known->second;
  waiter->turns_ = this;
  waiter->line_ = known->second;
  waiter->before_ = line.last;
  waiter->behind_ = nullptr;
  (line.last == nullptr ? line.first : line.last->behind_) = waiter;
  line.last = waiter;
  ++size_;
}

void Turns::Remove(Waiter* waiter) {
  if (waiter->turns_ != nullptr) waiter->turns_->Take(waiter);
}

Turns::Waiter* Turns::Next() {
  Waiter* const next = lines_.front().first;
  // Its route's next turn is behind those of all others.
  lines_.splice(lines_.end(), lines_, lines_.begin());
  Take(next);
  return next;
}

void Turns::Take(Waiter* waiter) {
  Line& line = *waiter->line_;
  (waiter->before_ == nullptr ? line.first : waiter->before_->behind_) = waiter->behind_;
  (waiter->behind_ == nullptr ? line.last : waiter->behind_->before_) = waiter->before_;
  waiter->turns_ = nullptr;
  --size_;
  if (line.first != nullptr) return;
  by_route_.erase(line.route);
  spare_.splice(spare_.end(), lines_, waiter->line_);
}

}  // namespace tlsbridge
