// Asks DNS on a thread of its own: c-ares reads files, for which a loop that serves clients has no
// time. Clients with the same name servers share sockets, however many there are (CaresClient).
//
// Thread: any; what belongs to a client belongs to the thread of its loop. Owner: whoever watches
// names; it outlives its clients, and their loops outlive it. Failure: Create() returns a Status
// when there is no thread or no loop to be had.
#pragma once

#include <stdint.h>

#include <atomic>
#include <list>
#include <map>
#include <memory>

#include "absl/status/statusor.h"
#include "bridge/event/clock.h"
#include "bridge/event/event_loop.h"
#include "bridge/event/thread.h"
#include "router/backends/cares_client.h"
#include "router/backends/dns_client.h"
#include "router/config/config.h"

namespace tlsbridge {

class DnsThread {
 public:
  static absl::StatusOr<std::unique_ptr<DnsThread>> Create();
  ~DnsThread();
  DnsThread(const DnsThread&) = delete;
  DnsThread& operator=(const DnsThread&) = delete;

  // One whose questions are asked, and answered, on `asker`'s thread.
  std::unique_ptr<DnsClient> MakeClient(EventLoop* asker, const DnsSettings& settings);

 private:
  template <typename Answer>
  class Query;
  class Client;
  // Of all clients with these settings.
  struct Shared {
    Shared(EventLoop* loop, const DnsSettings& its_settings)
        : settings(its_settings), client(loop, its_settings) {}
    const DnsSettings settings;
    CaresClient client;
    int users = 0;
  };

  DnsThread() = default;

  // On the thread.
  CaresClient* Acquire(const DnsSettings& settings);
  void Release(const CaresClient* client);

  SystemClock clock_;  // c-ares goes by that, too
  std::unique_ptr<EventLoop> loop_;
  std::atomic<uint64_t> last_question_{0};
  // The thread's.
  std::list<Shared> shared_;
  std::map<uint64_t, std::unique_ptr<DnsQuery>> questions_;
  Thread thread_;
};

}  // namespace tlsbridge
