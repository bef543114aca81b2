// Keeps one name of the configuration resolved: asks at once, again before the answer expires, and
// tells what changed.
//
// When DNS fails, the last good answer stays; it is asked again after one second, then less and
// less often. That is logged once. A name that is said not to exist any more, or to have no
// address, keeps what it had for DnsSettings::forget_after, then nothing; likewise each target of a
// service.
//
// Thread: the loop's. Owner: the resolver of a route; loop and client outlive it. Failure: never.
#pragma once

#include <stdint.h>

#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "bridge/event/event_loop.h"
#include "bridge/event/timer.h"
#include "router/backends/backend_pool.h"
#include "router/backends/dns_client.h"
#include "router/config/config.h"

namespace tlsbridge {

class NameWatcher {
 public:
  using OnResolved = absl::AnyInvocable<void(const std::vector<ResolvedEndpoint>&)>;

  // More targets of a service than this are left out, those of the lowest priority first.
  static constexpr size_t kMaxTargets = 128;
  static constexpr absl::Duration kRetryFirst = absl::Seconds(1);
  static constexpr absl::Duration kRetryLongest = absl::Seconds(30);

  // `address` is no socket's. `seed` varies when it asks, so that many processes ask apart.
  // `before`, which had other settings, may be null; what that knew is kept until DNS says more.
  NameWatcher(EventLoop* loop, DnsClient* client, const BackendAddress& address,
              const DnsSettings& settings, uint64_t seed, OnResolved on_resolved,
              const NameWatcher* before = nullptr);
  const BackendAddress& address() const { return address_; }
  // None before the first answer.
  const std::optional<std::vector<ResolvedEndpoint>>& endpoints() const { return endpoints_; }

  NameWatcher(const NameWatcher&) = delete;
  NameWatcher& operator=(const NameWatcher&) = delete;

 private:
  void Ask();
  void OnAddresses(absl::StatusOr<AddressAnswer> answer);
  void OnServices(absl::StatusOr<SrvAnswer> answer);
  void OnTarget(size_t index, absl::StatusOr<AddressAnswer> answer);
  void OnAllTargets();
  void Accept(std::vector<ResolvedEndpoint> endpoints, absl::Duration ttl);
  void Fail(const absl::Status& status);
  void ForgetIfMissing(const absl::Status& status);
  absl::Duration Vary(absl::Duration duration);

  EventLoop* const loop_;    // Not owned.
  DnsClient* const client_;  // Not owned.
  const BackendAddress address_;
  const DnsSettings settings_;
  std::minstd_rand random_;
  OnResolved on_resolved_;

  std::optional<std::vector<ResolvedEndpoint>> endpoints_;
  int failures_ = 0;                                   // in a row
  absl::Time missing_since_ = absl::InfiniteFuture();  // it is said not to exist

  // Of the question that is open. Queries that have answered stay until the next one.
  std::vector<std::unique_ptr<DnsQuery>> queries_;
  SrvAnswer services_;
  absl::Status target_failure_;
  size_t targets_open_ = 0;

  std::map<std::string, std::vector<SocketAddress>> targets_;  // the last good answers
  std::map<std::string, absl::Time> missing_targets_;          // since when
  Timer timer_;
};

}  // namespace tlsbridge
