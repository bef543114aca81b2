// Backends on loopback that die and come back, all on one port, each on an address of its own, so
// that a name can mean any of them; and one that never answers.
//
// Thread: the test's. Owner: the test. Failure: EXPECTs of gtest.
#pragma once

#include <stdint.h>

#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "bridge/socket_address.h"
#include "tests/support/peer.h"

namespace tlsbridge::testing {

class Backends {
 public:
  static constexpr size_t kCount = 5;

  Backends();
  Backends(const Backends&) = delete;
  Backends& operator=(const Backends&) = delete;
  ~Backends();

  uint16_t port() const { return ends_[0].address.port(); }
  const SocketAddress& address(size_t i) const { return ends_[i].address; }
  const SocketAddress& nobody() const { return nobody_.address(); }

  // From now on connections are refused; those that are there go on.
  void Die(size_t i, absl::Time now);
  void ComeBack(size_t i, absl::Time now);
  bool up(size_t i) const { return ends_[i].up; }

  // Of an endpoint, by its name; nobody() has never been up.
  bool IsUp(const std::string& name) const;
  bool WasEverDown(const std::string& name) const;
  absl::Time Since(const std::string& name) const;  // when that became so

  // Takes in who comes, and listens to what they say: "#17;" is the client with that number.
  void Step();
  // The backend's end of a client; null for one that has not been heard of.
  Peer* PeerOf(uint64_t client);
  void Forget(uint64_t client) { known_.erase(client); }

 private:
  struct End {
    SocketAddress address;
    int fd = -1;
    bool up = true;
    bool ever_down = false;
    absl::Time since = absl::InfinitePast();
  };

  bool Bind(uint16_t port);
  const End* ByName(const std::string& name) const;

  std::array<End, kCount> ends_;
  BlackHole nobody_;
  std::vector<std::unique_ptr<Peer>> strangers_;
  std::map<uint64_t, std::unique_ptr<Peer>> known_;
};

}  // namespace tlsbridge::testing
