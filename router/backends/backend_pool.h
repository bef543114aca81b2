// The backends of one route: which of them is next for a client, and what is known of each.
//
// A backend of the configuration has endpoints: one for a socket address, those that DNS gave for a
// name. Endpoints may be unhealthy (a check says so), ejected (connections failed), or tried by the
// connection that asks; then another one is chosen. When fewer than Ejection::keep_fraction are
// good, or all the good ones have been tried, health is ignored: trying a backend that looks bad is
// better than refusing everybody. With keep_fraction 0 it is obeyed always.
//
// A pool is made for one configuration and has what belongs to that: weights, and whose turn it is.
// What is known of endpoints is in the route's EndpointBook, which pools share.
//
// Thread: any; locked. Workers ask once a connection, never while bytes move. Owner: shared by the
// route, its checks and its leases. Failure: no lease.
#pragma once

#include <stdint.h>

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bridge/socket_address.h"
#include "router/backends/balance.h"
#include "router/backends/endpoint_book.h"
#include "router/backends/endpoint_state.h"
#include "router/config/config.h"

namespace tlsbridge {

// What a name means at present.
struct ResolvedEndpoint {
  // In the order to dial; the first one names the endpoint. One for each address family.
  std::vector<SocketAddress> addresses;
  double share = 1;  // of its backend's weight
  int tier = 0;      // a tier is used when those below it have no good endpoint left

  friend bool operator==(const ResolvedEndpoint& a, const ResolvedEndpoint& b);
};

struct EndpointStatus {
  EndpointId id = 0;
  std::string name;
  std::string backend;
  std::vector<SocketAddress> addresses;
  double weight = 0;  // at present: less than configured while it starts slowly
  int tier = 0;
  bool drain = false;
  bool healthy = true;
  absl::Time ejected_until = absl::InfinitePast();
  bool failing = false;  // would be ejected, if there were others
  int64_t connections = 0;
  int64_t leases = 0;    // ever
  int64_t failures = 0;  // ever
  // When it became what it is: good, failing, unhealthy or ejected; the infinite past: it always
  // was.
  absl::Time since = absl::InfinitePast();
  std::string last_error;  // of a connection or a check; empty for none
  absl::Time last_error_at = absl::InfinitePast();
};
// "good", "failing", "unhealthy", "ejected" or "draining".
const char* EndpointStateName(const EndpointStatus& endpoint, absl::Time now);

class BackendPool : public std::enable_shared_from_this<BackendPool> {
 public:
  // One connection's claim on an endpoint. It counts as a connection until it dies. Reports of how
  // dialling went are for ejection; errors of our own making are no backend's fault.
  class Lease {
   public:
    Lease() = default;  // none
    Lease(Lease&&) noexcept = default;
    Lease& operator=(Lease&& other) noexcept;
    ~Lease();

    explicit operator bool() const { return endpoint_ != nullptr; }

    // REQUIRES of all below: there is an endpoint.
    EndpointId endpoint() const { return endpoint_->id; }
    // To be dialled in this order (RFC 8305); two if a name has both families.
    absl::Span<const SocketAddress> addresses() const { return *addresses_; }
    // For logs: "10.0.0.1:8080", and as configured: "dns:orders.internal:8080".
    const std::string& name() const { return endpoint_->name; }
    const std::string& backend() const { return *backend_; }

    void Connected(absl::Time now);
    void Failed(int error, absl::Time now);

   private:
    friend class BackendPool;

    std::shared_ptr<BackendPool> pool_;
    std::shared_ptr<EndpointState> endpoint_;
    std::shared_ptr<const std::vector<SocketAddress>> addresses_;
    std::shared_ptr<const std::string> backend_;
  };

  // `previous`, of the same book, may be null; from it comes what names mean, until SetEndpoints()
  // says otherwise. Changes nothing that anybody can see who does not use this pool.
  static std::shared_ptr<BackendPool> Create(const Route& route, absl::Time now,
                                             std::shared_ptr<EndpointBook> book,
                                             const BackendPool* previous = nullptr);
  BackendPool(const BackendPool&) = delete;
  BackendPool& operator=(const BackendPool&) = delete;

  // The next endpoint for `client`, none of those in `tried`. `random` is anything.
  Lease Pick(const SocketAddress& client, absl::Span<const EndpointId> tried, absl::Time now,
             uint64_t random);

  // The endpoint at `address`, which somebody else has chosen; none if it is gone.
  Lease Take(const SocketAddress& address);
  // How many more Pick() could give before it gives none.
  size_t Untried(absl::Span<const EndpointId> tried, absl::Time now) const;

  // What the name of the `backend`-th backend of the route means from now on. Leases on endpoints
  // that are gone go on.
  void SetEndpoints(size_t backend, const std::vector<ResolvedEndpoint>& endpoints, absl::Time now);

  // A check has failed, and why.
  void OnCheckFailed(EndpointId endpoint, absl::string_view why, absl::Time now);
  // What a check found. True if that is news; false for an endpoint that is gone, too.
  bool SetHealthy(EndpointId endpoint, bool healthy, absl::Time now);
  // A check has passed: `enough` of them end an ejection early.
  void OnCheckPassed(EndpointId endpoint, int enough, absl::Time now);
  // What checks found does not outlast them: from now on none is unhealthy.
  void ForgetHealth();

  std::vector<EndpointStatus> Endpoints(absl::Time now) const;

  const std::string& route() const { return route_; }

 private:
  struct Source {
    std::shared_ptr<const std::string> name;
    double weight = 1;
    bool drain = false;
    // The next endpoints of it come beside others that have been in use for a while.
    bool starts_slowly = false;
  };
  struct Member {
    std::shared_ptr<EndpointState> endpoint;
    std::shared_ptr<const std::vector<SocketAddress>> addresses;
    size_t source = 0;
    double share = 1;
    int tier = 0;
    double credit = 0;  // round robin's
    uint64_t last_chosen = 0;
  };

  BackendPool(const Route& route, std::shared_ptr<EndpointBook> book);

  Lease MakeLease(Member* member) ABSL_EXCLUSIVE_LOCKS_REQUIRED(book_->mutex());
  EndpointState* Find(EndpointId endpoint) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(book_->mutex());
  void Replace(size_t source, const std::vector<ResolvedEndpoint>& endpoints, absl::Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(book_->mutex());
  // Of one book: the lock that is held is that of `previous`, too, which the compiler cannot see.
  bool HasMembers() const ABSL_NO_THREAD_SAFETY_ANALYSIS { return !members_.empty(); }
  void TakeOver(size_t source, const BackendPool& previous,
                absl::Time now) ABSL_NO_THREAD_SAFETY_ANALYSIS;
  double Weight(const Member& member, absl::Time now) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(book_->mutex());
  bool KeepsFloor(int tier, absl::Time now, const EndpointState* without) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(book_->mutex());
  Member* PickFrom(int tier, bool good_only, absl::Span<const EndpointId> tried,
                   uint64_t client_hash, absl::Time now, uint64_t random)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(book_->mutex());

  void OnConnected(EndpointState* endpoint, absl::Time now);
  void OnFailed(EndpointState* endpoint, int error, absl::Time now);

  const std::string route_;
  const Balance balance_;
  const Ejection ejection_;
  const absl::Duration slow_start_;

  // Its mutex guards every EndpointState, too.
  const std::shared_ptr<EndpointBook> book_;
  std::vector<Source> sources_ ABSL_GUARDED_BY(book_->mutex());
  std::vector<Member> members_ ABSL_GUARDED_BY(book_->mutex());  // in the order of the sources
  std::vector<int> tiers_ ABSL_GUARDED_BY(book_->mutex());  // those that there are, lowest first
  uint64_t choices_ ABSL_GUARDED_BY(book_->mutex()) = 0;
  std::vector<Candidate> candidates_ ABSL_GUARDED_BY(book_->mutex());  // scratch of PickFrom()
  std::vector<Member*> chosen_from_ ABSL_GUARDED_BY(book_->mutex());
};

}  // namespace tlsbridge
