// DNS by c-ares on an event loop. Names of /etc/hosts and the search list of /etc/resolv.conf are
// honoured; the former is read by each question, the latter is kFresh old at most.
//
// However many questions there are, they share a channel, and with it its few sockets. So many that
// name servers would lose some are not asked at once: kMostOpen are, the others wait their turn.
//
// Thread: the loop's, which waits while files are read: a loop that serves clients asks by a
// DnsThread instead. Owner: whoever asks; the loop outlives it. Failure: a Status in each answer.
#pragma once

#include <list>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "bridge/event/event_loop.h"
#include "bridge/event/timer.h"
#include "router/backends/cares_channel.h"
#include "router/backends/dns_client.h"
#include "router/config/config.h"

namespace tlsbridge {

class CaresClient final : public DnsClient {
 public:
  static constexpr int kMostOpen = 100;
  static constexpr absl::Duration kFresh = absl::Seconds(5);

  CaresClient(EventLoop* loop, const DnsSettings& settings);
  ~CaresClient() override;
  CaresClient(const CaresClient&) = delete;
  CaresClient& operator=(const CaresClient&) = delete;

  std::unique_ptr<DnsQuery> LookUpAddresses(const std::string& host, uint16_t port,
                                            OnAddresses done) override;
  std::unique_ptr<DnsQuery> LookUpServices(const std::string& name, OnServices done) override;

 private:
  class Asker;
  template <typename Answer>
  class Query;
  struct Channel {
    std::unique_ptr<CaresChannel> channel;
    absl::Time made_at;
  };

  void Pump();
  void PumpSoon() { pump_.ArmAfter(absl::ZeroDuration()); }
  absl::StatusOr<CaresChannel*> FreshChannel();

  EventLoop* const loop_;  // Not owned.
  const DnsSettings settings_;
  std::list<Asker*> waiting_;
  int open_ = 0;
  std::list<Channel> channels_;  // the last one takes questions; those before it have some left
  Timer pump_;
};

}  // namespace tlsbridge
