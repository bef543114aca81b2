// Asks DNS what a name means, without blocking.
//
// Thread: the loop's. Owner: a query belongs to whoever asked, who is called back once and never
// inside the call that asks; destroying the query cancels it, but not inside that callback.
// The client outlives its queries. Failure: a Status in the answer.
#pragma once

#include <stdint.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "bridge/socket_address.h"

namespace tlsbridge {

struct AddressAnswer {
  std::vector<SocketAddress> addresses;  // at least one; in the order of RFC 6724
  absl::Duration ttl;
};

struct SrvRecord {
  uint16_t priority = 0;  // lowest first
  uint16_t weight = 0;
  uint16_t port = 0;
  std::string target;
};

struct SrvAnswer {
  std::vector<SrvRecord> records;  // none: the service is not available, RFC 2782
  absl::Duration ttl;
};

class DnsQuery {
 public:
  virtual ~DnsQuery() = default;
};

class DnsClient {
 public:
  using OnAddresses = absl::AnyInvocable<void(absl::StatusOr<AddressAnswer>) &&>;
  using OnServices = absl::AnyInvocable<void(absl::StatusOr<SrvAnswer>) &&>;

  virtual ~DnsClient() = default;

  // IPv4 and IPv6 addresses of a host, with `port` in them.
  virtual std::unique_ptr<DnsQuery> LookUpAddresses(const std::string& host, uint16_t port,
                                                    OnAddresses done) = 0;
  virtual std::unique_ptr<DnsQuery> LookUpServices(const std::string& name, OnServices done) = 0;
};

}  // namespace tlsbridge
