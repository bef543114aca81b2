// DNS by c-ares on an event loop. Names of /etc/hosts and the search list of /etc/resolv.conf are
// honoured; both files are read anew by each query.
//
// Thread: the loop's. Owner: whoever asks; the loop outlives it. Failure: a Status in each answer.
#pragma once

#include <memory>
#include <string>

#include "bridge/event/event_loop.h"
#include "router/backends/dns_client.h"
#include "router/config/config.h"

namespace tlsbridge {

class CaresClient final : public DnsClient {
 public:
  CaresClient(EventLoop* loop, const DnsSettings& settings) : loop_(loop), settings_(settings) {}

  std::unique_ptr<DnsQuery> LookUpAddresses(const std::string& host, uint16_t port,
                                            OnAddresses done) override;
  std::unique_ptr<DnsQuery> LookUpServices(const std::string& name, OnServices done) override;

 private:
  EventLoop* const loop_;  // Not owned.
  const DnsSettings settings_;
};

}  // namespace tlsbridge
