// A name server on loopback whose answers a test changes as it goes. UDP and TCP on one port.
//
// Thread: the loop's. Owner: the test; the loop outlives it. Failure: EXPECTs of gtest.
#pragma once

#include <stdint.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bridge/event/event_loop.h"
#include "bridge/event/fd_event.h"
#include "bridge/socket_address.h"
#include "router/backends/dns_client.h"

namespace tlsbridge::testing {

class DnsResponder {
 public:
  enum class Mode : uint8_t { kAnswer, kServfail, kSilent, kTruncateUdp, kGarbage };

  explicit DnsResponder(EventLoop* loop);
  DnsResponder(const DnsResponder&) = delete;
  DnsResponder& operator=(const DnsResponder&) = delete;
  ~DnsResponder();

  const SocketAddress& address() const { return address_; }
  void set_mode(Mode mode) { mode_ = mode; }
  int udp_questions() const { return udp_questions_; }
  int tcp_questions() const { return tcp_questions_; }

  // Addresses of both families as text.
  void SetAddresses(const std::string& name, const std::vector<std::string>& addresses,
                    uint32_t ttl);
  void SetServices(const std::string& name, const std::vector<SrvRecord>& records, uint32_t ttl);

  static std::string EncodeName(const std::string& name);

 private:
  struct Record {
    uint32_t ttl;
    std::string data;
  };

  void OnUdp();
  void OnTcp();
  std::string Answer(const std::string& question, bool udp);

  EventLoop* const loop_;  // Not owned.
  SocketAddress address_;
  int udp_ = -1;
  int tcp_ = -1;
  Mode mode_ = Mode::kAnswer;
  int udp_questions_ = 0;
  int tcp_questions_ = 0;
  std::map<std::pair<std::string, uint16_t>, std::vector<Record>> zone_;
  std::vector<std::unique_ptr<FdEvent>> events_;
  std::vector<int> connections_;
};

}  // namespace tlsbridge::testing
