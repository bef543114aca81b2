#include "router/backends/ejection_state.h"

#include <algorithm>
#include <utility>

namespace tlsbridge {

bool EjectionState::OnFailure(const Ejection& settings, absl::Time now, bool may_eject) {
  if (settings.after_failures <= 0 || ejected(now)) return false;
  if (now - until_ >= settings.longest) {
    times_ = 0;
    on_probation_ = false;
  }
  failures_ = std::min(failures_ + 1, settings.after_failures);
  if (failures_ < settings.after_failures && !on_probation_) return false;
  if (!may_eject) {
    spared_since_ = std::min(spared_since_, now);
    return false;
  }

  absl::Duration length = settings.first;
  for (int i = 0; i < times_ && length < settings.longest; ++i) length *= 2;
  until_ = now + std::min(length, settings.longest);
  spared_since_ = absl::InfiniteFuture();
  ++times_;
  failures_ = 0;
  checks_passed_ = 0;
  on_probation_ = true;
  missed_ = true;
  return true;
}

bool EjectionState::OnSuccess(absl::Time now) {
  failures_ = 0;
  on_probation_ = false;
  until_ = std::min(until_, now);
  spared_since_ = absl::InfiniteFuture();
  return std::exchange(missed_, false);
}

bool EjectionState::OnCheckPassed(int enough, absl::Time now) {
  if (!ejected(now) || ++checks_passed_ < enough) return false;
  until_ = now;
  return true;
}

}  // namespace tlsbridge
