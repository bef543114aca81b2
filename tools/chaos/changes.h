// A configuration that never stays: what one program is given to read, again and again.
//
// Two routes to the same backend. The first is served whatever changes: certificates, weights,
// balancing, limits, names, other routes, other listeners, files that are wrong. The second, and
// its listener, are taken away and put back while their clients are served.
//
// Thread: one. Owner: the run; name server and certificates outlive it. Failure: Open() returns a
// Status.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tools/bench/net/address.h"
#include "tools/chaos/certificate.h"
#include "tools/chaos/name_server.h"
#include "tools/chaos/plan.h"
#include "tools/chaos/random.h"
#include "tools/chaos/socket.h"

namespace tlsbridge::chaos {

class Changes {
 public:
  struct Surroundings {
    BackendMode mode;
    bench::Address backend;
    CertificateFiles* certificate;
    NameServer* names;
    std::string timeouts;  // in YAML
    uint64_t connections;  // that may be open at a time
    uint64_t seed;
  };

  explicit Changes(Surroundings around)
      : around_(std::move(around)), random_(around_.seed, static_cast<uint64_t>(around_.mode)) {}
  ~Changes();

  // Chooses ports, and writes the first configuration, which has everything.
  absl::Status Open();
  // Draws the next, and writes it; the program is then to be told.
  absl::Status Next();

  std::string path() const { return path_; }
  const bench::Address& lasting() const { return lasting_; }
  const bench::Address& removable() const { return removable_; }

  uint64_t made() const { return made_; }
  uint64_t wrong() const { return wrong_; }

 private:
  void Write(bool wrong);
  std::string Route(const std::string& name, int port, bool may_fail_over);
  std::string Backends(bool may_fail_over);
  std::string Mistake();

  const Surroundings around_;
  Random random_;
  std::string path_;
  bench::Address lasting_;
  bench::Address removable_;
  bench::Address extra_;
  Socket nobody_;  // bound, and refuses
  bool has_removable_route_ = true;
  bool has_removable_listener_ = true;
  bool has_extra_listener_ = true;
  uint64_t extra_routes_ = 3;
  uint64_t made_ = 0;
  uint64_t wrong_ = 0;
};

}  // namespace tlsbridge::chaos
