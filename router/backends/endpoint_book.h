// What is known of the addresses of one route's backends, by name. It outlives the configurations:
// the pool of each finds here what connections and checks have found out under another.
//
// Thread: any; `mutex()` guards the book and every EndpointState in it, and is held by the caller.
// Owner: the route's RouteState; shared by its pools. Failure: none.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "router/backends/change_signal.h"
#include "router/backends/endpoint_state.h"
#include "tls/mutex.h"

namespace tlsbridge {

class EndpointBook {
 public:
  EndpointBook() = default;
  EndpointBook(const EndpointBook&) = delete;
  EndpointBook& operator=(const EndpointBook&) = delete;

  Mutex& mutex() ABSL_LOCK_RETURNED(mutex_) { return mutex_; }

  // The one of that name. One that nobody uses any more is forgotten; it is then made anew, as one
  // that is back since `back_since`.
  std::shared_ptr<EndpointState> Get(const std::string& name, absl::Time back_since)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Who is told of changes, as of `route`: of what endpoints there are, and of which may be chosen.
  // Null: nobody.
  void Watch(std::shared_ptr<ChangeSignal> signal, const std::string& route) {
    const MutexLock lock(mutex_);
    signal_ = std::move(signal);
    route_ = route;
  }
  void TellOfChange() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (signal_ != nullptr) signal_->Raise(route_);
  }

 private:
  Mutex mutex_;
  std::shared_ptr<ChangeSignal> signal_ ABSL_GUARDED_BY(mutex_);
  std::string route_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, std::weak_ptr<EndpointState>> endpoints_ ABSL_GUARDED_BY(mutex_);
  size_t forget_at_ ABSL_GUARDED_BY(mutex_) =
      64;  // how many there may be before those that are gone are looked for
};

}  // namespace tlsbridge
