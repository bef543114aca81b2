// A DNS server whose mind changes: for any name of type A the addresses that it was told last,
// or a failure, or no answer at all.
//
// Thread: one. Owner: the run; the world outlives it. Failure: Open() returns a Status.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tools/bench/net/address.h"
#include "tools/bench/net/unique_fd.h"
#include "tools/chaos/world.h"

namespace tlsbridge::chaos {

class NameServer final : public Actor {
 public:
  enum class Mood : uint8_t { kAnswers, kFails, kIsSilent };

  explicit NameServer(World* world) : world_(world) {}

  absl::Status Open();
  bench::Address address() const { return bench::Address::OfSocket(udp_.get()); }

  // The last byte of each address: 127.0.0.x.
  void Set(Mood mood, std::vector<uint8_t> hosts) {
    mood_ = mood;
    hosts_ = std::move(hosts);
  }
  uint64_t asked() const { return asked_; }

  void Step() override;

 private:
  std::string AnswerTo(const std::string& query) const;

  World* const world_;  // Not owned.
  bench::UniqueFd udp_;
  Mood mood_ = Mood::kAnswers;
  std::vector<uint8_t> hosts_;
  uint64_t asked_ = 0;
};

}  // namespace tlsbridge::chaos
