// One c-ares channel on an event loop, for as many questions as there are: they share its sockets,
// one for each name server that is asked, and another where an answer needs TCP.
//
// /etc/resolv.conf and /etc/nsswitch.conf are read when it is made, /etc/hosts by each question for
// addresses.
//
// Thread: the loop's, which waits while files are read. Owner: a CaresClient; not to be destroyed
// inside an answer. The loop outlives it. Failure: a Status in each answer; what this machine fails
// to do is named as that.
#pragma once

#include <ares.h>
#include <stdint.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bridge/event/event_loop.h"
#include "bridge/event/fd_event.h"
#include "bridge/event/timer.h"
#include "router/backends/dns_client.h"
#include "router/config/config.h"

namespace tlsbridge {

class CaresChannel {
 public:
  static absl::StatusOr<std::unique_ptr<CaresChannel>> Create(EventLoop* loop,
                                                              const DnsSettings& settings);
  // Open questions stay without an answer.
  ~CaresChannel();
  CaresChannel(const CaresChannel&) = delete;
  CaresChannel& operator=(const CaresChannel&) = delete;

  // `done` may be called inside, once.
  void LookUpAddresses(const std::string& host, uint16_t port, DnsClient::OnAddresses done);
  void LookUpServices(const std::string& name, DnsClient::OnServices done);

  // Questions that have not been answered.
  int open() const { return open_; }
  // What kept this machine from asking, the last time that it was tried; OK for nothing.
  const absl::Status& trouble() const { return trouble_; }

 private:
  struct Sockets;  // c-ares' calls, as functions of ours
  template <typename Done>
  struct Question;

  explicit CaresChannel(EventLoop* loop);
  absl::Status Init(const DnsSettings& settings);

  static void OnAddresses(void* question, int error, int timeouts, ares_addrinfo* info);
  static void OnServices(void* question, int error, int timeouts, unsigned char* bytes, int length);
  static void OnSocketState(void* self, ares_socket_t fd, int readable, int writable);

  absl::Status StatusOf(int error) const;
  void Note(const char* what, int error);
  void Watch(int fd, bool readable, bool writable);
  void OnTimer();
  void SetTimer();

  EventLoop* const loop_;  // Not owned.
  int open_ = 0;
  absl::Status trouble_;
  Timer timer_;
  std::map<int, std::unique_ptr<FdEvent>> events_;
  std::vector<std::unique_ptr<FdEvent>> closed_;
  struct Deleter {
    void operator()(ares_channeldata* channel) const { ares_destroy(channel); }
  };
  std::unique_ptr<ares_channeldata, Deleter> channel_;  // last: dying it tells of sockets
};

}  // namespace tlsbridge
