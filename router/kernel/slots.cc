#include "router/kernel/slots.h"

#include <math.h>

namespace tlsbridge::kernel {
namespace {

// FNV-1a, then the finaliser of MurmurHash3, which spreads it: the same in every process, so that
// replicas and restarts agree.
uint64_t Hash(const Endpoint& endpoint, uint32_t slot) {
  uint64_t hash = 0xcbf29ce484222325;
  const auto add = [&](uint8_t byte) { hash = (hash ^ byte) * 0x100000001b3; };
  for (const uint8_t byte : endpoint.address) add(byte);
  add(static_cast<uint8_t>(endpoint.port >> 8));
  add(static_cast<uint8_t>(endpoint.port));
  for (int shift = 0; shift < 32; shift += 8) add(static_cast<uint8_t>(slot >> shift));
  hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccd;
  hash = (hash ^ hash >> 33) * 0xc4ceb9fe1a85ec53;
  return hash ^ hash >> 33;
}

// The highest wins; weights are shares exactly (weighted rendezvous hashing).
double Score(const Backend& backend, uint32_t slot) {
  const double unit = (static_cast<double>(Hash(backend.endpoint, slot) >> 11) + 0.5) /
                      static_cast<double>(uint64_t{1} << 53);
  return static_cast<double>(backend.weight) / -log(unit);
}

}  // namespace

std::vector<size_t> ShareOutSlots(absl::Span<const Backend> backends, uint32_t slots) {
  std::vector<size_t> owners;
  for (uint32_t slot = 0; slot < slots; ++slot) {
    double best_score = 0;
    size_t best = backends.size();
    for (size_t i = 0; i < backends.size(); ++i) {
      if (!backends[i].serving || backends[i].weight == 0) continue;
      const double score = Score(backends[i], slot);
      if (best == backends.size() || score > best_score) {
        best = i;
        best_score = score;
      }
    }
    if (best == backends.size()) return {};
    owners.push_back(best);
  }
  return owners;
}

}  // namespace tlsbridge::kernel
