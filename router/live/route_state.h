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
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "router/backends/endpoint_book.h"
#include "router/config/config.h"
#include "router/limits/admission.h"
#include "router/metrics/route_metrics.h"
#include "tls/mutex.h"

namespace tlsbridge {

// What routes have counted that are gone.
class RemovedRoutes {
 public:
  void Add(const RouteTotals& totals);
  RouteTotals Take() const;

 private:
  mutable Mutex mutex_;
  RouteTotals totals_ ABSL_GUARDED_BY(mutex_);
};

struct RouteState {
  RouteState(const Limits& limits, std::shared_ptr<RemovedRoutes> its_heir)
      : admission(limits), heir(std::move(its_heir)) {}
  ~RouteState() { heir->Add(metrics.Take()); }
  RouteState(const RouteState&) = delete;
  RouteState& operator=(const RouteState&) = delete;

  Admission admission;  // the route's own limits
  RouteMetrics metrics;
  const std::shared_ptr<RemovedRoutes> heir;
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
  // What all those have counted that are not served any more, be they gone or not.
  RouteTotals TotalsOfRemoved(absl::FunctionRef<bool(absl::string_view route)> is_served) const;

 private:
  const std::shared_ptr<RemovedRoutes> removed_ = std::make_shared<RemovedRoutes>();
  mutable Mutex mutex_;
  absl::flat_hash_map<std::string, std::weak_ptr<RouteState>> states_ ABSL_GUARDED_BY(mutex_);
  size_t forget_at_ ABSL_GUARDED_BY(mutex_) =
      64;  // how many there may be before those that are gone are looked for
};

}  // namespace tlsbridge
