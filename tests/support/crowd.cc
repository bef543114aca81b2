#include "tests/support/crowd.h"

#include <algorithm>
#include <utility>

namespace tlsbridge::testing {

bool CrowdFixture::ConnectMany(size_t count, const TlsPeer::Options& options) {
  // In waves that a listener's queue can take.
  constexpr size_t kWave = 500;
  for (size_t done = 0; done < count; done += kWave) {
    const size_t first = clients_.size();
    for (size_t i = 0; i < std::min(kWave, count - done); ++i) {
      clients_.push_back(ConnectTls(options));
    }
    const bool all_ready = Until([this, first] {
      bool ready = true;
      for (size_t i = first; i < clients_.size(); ++i) {
        if (clients_[i]->handshake_done()) continue;
        clients_[i]->Step();
        ready = ready && clients_[i]->handshake_done();
      }
      return ready;
    });
    if (!all_ready) return false;
  }
  return true;
}

bool CrowdFixture::JoinMany(size_t count, const TlsPeer::Options& options) {
  if (!ConnectMany(count, options)) return false;
  return Until([this] {
    while (auto peer = backend_->Accept()) backend_peers_.push_back(std::move(peer));
    return backend_peers_.size() == clients_.size();
  });
}

void CrowdFixture::StepMany() {
  for (auto& client : clients_) client->Step();
  for (auto& peer : backend_peers_) peer->Step();
}

int CrowdFixture::TurnsUntilEmpty(int most) {
  for (int turns = 0; turns < most; ++turns) {
    if (live_connections() == 0) return turns;
    loop_->Turn(/*wait=*/false);
  }
  return most;
}

bool CrowdFixture::UntilEmpty() {
  return UntilWithTime([this] {
    StepMany();
    return live_connections() == 0;
  });
}

}  // namespace tlsbridge::testing
