// What is known of a route by its name, whatever its configuration: who is in, and how each of its
// backends' addresses is.
//
// It lives as long as a configuration that has the route is served, or a connection of the route is
// open: a route that is taken away and put back finds its connections counted.
//
// Thread: any; what is in it guards itself. Owner: the LiveRoutes of that name, shared; the
// registry knows them, but does not keep them. Failure: none.
#pragma once

#include <stddef.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "router/backends/endpoint_book.h"
#include "router/config/config.h"
#include "router/limits/admission.h"

namespace tlsbridge {

struct RouteState {
  explicit RouteState(const Limits& limits) : admission(limits) {}

  Admission admission;  // the route's own limits
  const std::shared_ptr<EndpointBook> endpoints = std::make_shared<EndpointBook>();
  // Whether the kernel takes its clients at present. Whoever comes to the program was missed then.
  std::atomic<bool> kernel_forwards{false};
};

// The states of all routes, by name.
class RouteStates {
 public:
  RouteStates() = default;
  RouteStates(const RouteStates&) = delete;
  RouteStates& operator=(const RouteStates&) = delete;

  // That of `route`; a new one, with these limits, if there is none. One that there is keeps its
  // limits until a configuration with others is served.
  std::shared_ptr<RouteState> Get(const std::string& route, const Limits& limits);

 private:
  std::mutex mutex_;
  absl::flat_hash_map<std::string, std::weak_ptr<RouteState>> states_;
  size_t forget_at_ = 64;  // how many there may be before those that are gone are looked for
};

}  // namespace tlsbridge
