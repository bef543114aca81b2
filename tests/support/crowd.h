// Many clients at once, each with its backend's end.
//
// Thread: the test's. Owner: the test. Failure: EXPECTs.
#pragma once

#include <memory>
#include <vector>

#include "tests/support/router_fixture.h"

namespace tlsbridge::testing {

class CrowdFixture : public RouterFixture {
 protected:
  // `count` more clients, their handshakes done.
  [[nodiscard]] bool ConnectMany(size_t count, const TlsPeer::Options& options = {});
  // The same, and each joined to a peer of its own at the backend.
  [[nodiscard]] bool JoinMany(size_t count, const TlsPeer::Options& options = {});

  void StepMany();
  // Turns until no connection lives, while peers only receive. How many turns that took, or `most`.
  int TurnsUntilEmpty(int most);
  [[nodiscard]] bool UntilEmpty();

  std::vector<std::unique_ptr<TlsPeer>> clients_;
  std::vector<std::unique_ptr<Peer>> backend_peers_;
};

}  // namespace tlsbridge::testing
