// What is known of the addresses of one route's backends, by name. It outlives the configurations:
// the pool of each finds here what connections and checks have found out under another.
//
// Thread: any; `mutex()` guards the book and every EndpointState in it, and is held by the caller.
// Owner: the route's RouteState; shared by its pools. Failure: none.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "router/backends/change_signal.h"
#include "router/backends/endpoint_state.h"

namespace tlsbridge {

class EndpointBook {
 public:
  EndpointBook() = default;
  EndpointBook(const EndpointBook&) = delete;
  EndpointBook& operator=(const EndpointBook&) = delete;

  std::mutex& mutex() { return mutex_; }

  // The one of that name. One that nobody uses any more is forgotten; it is then made anew, as one
  // that is back since `back_since`. REQUIRES: mutex() is held.
  std::shared_ptr<EndpointState> Get(const std::string& name, absl::Time back_since);

  // Who is told of changes, as of `route`: of what endpoints there are, and of which may be chosen.
  // Null: nobody.
  void Watch(std::shared_ptr<ChangeSignal> signal, const std::string& route) {
    std::lock_guard<std::mutex> lock(mutex_);
    signal_ = std::move(signal);
    route_ = route;
  }
  // REQUIRES: mutex() is held.
  void TellOfChange() {
    if (signal_ != nullptr) signal_->Raise(route_);
  }

 private:
  std::mutex mutex_;
  std::shared_ptr<ChangeSignal> signal_;
  std::string route_;
  absl::flat_hash_map<std::string, std::weak_ptr<EndpointState>> endpoints_;
  size_t forget_at_ = 64;  // how many there may be before those that are gone are looked for
};

}  // namespace tlsbridge
