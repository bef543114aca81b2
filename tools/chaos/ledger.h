// All cases that have not been judged yet, and what the judged ones amount to.
//
// Thread: one. Owner: the run; it outlives the actors. Failure: violations are printed and counted.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "tools/chaos/case.h"
#include "tools/chaos/world.h"

namespace tlsbridge::chaos {

class Ledger {
 public:
  // Reasons of one program: how many cases allow only this one, and how many allow it at all.
  struct Bounds {
    uint64_t least = 0;
    uint64_t most = 0;
    std::vector<int> ports;  // of the clients of the first of those that allow only this one
  };

  Ledger(uint64_t seed, World* world) : seed_(seed), world_(world) {}

  // Draws the plan of a connection that begins now.
  Case* Begin(uint64_t number, const std::shared_ptr<Actor>& client, bool may_be_removed = false);
  // The case whose backend has just been found out; null if there is none, or it has one already.
  Case* BindBackend(uint64_t number, const std::shared_ptr<Actor>& backend);

  void ClientDone(Case* c);
  void BackendDone(Case* c);
  // A backend's connection has ended of which nobody knows whose it was.
  void StrangerDone(PeerEnd end) { stranger_fins_ += end == PeerEnd::kFin ? 1 : 0; }
  // No more backend will come: judges those that are still without one, and the strangers.
  void Close();

  // Cases of which one end is still at work.
  size_t active() const { return active_; }
  uint64_t begun() const { return begun_; }
  uint64_t begun_of(Kind kind) const { return kinds_[static_cast<size_t>(kind)]; }
  uint64_t connected_to(BackendMode mode) const { return connected_[static_cast<size_t>(mode)]; }
  // Of those, the ones that a listener may have left behind as it was taken away.
  uint64_t removable_of(BackendMode mode) const { return removable_[static_cast<size_t>(mode)]; }
  uint64_t violations() const { return violations_; }
  uint64_t bytes_checked() const { return bytes_checked_; }
  const std::map<std::string, Bounds>& reasons_of(BackendMode mode) const {
    return reasons_[static_cast<size_t>(mode)];
  }
  // Places at which a handshake has been cut: TLS version, way to leave, byte.
  size_t handshake_cuts() const { return handshake_cuts_.size(); }

  // Tells a violation that belongs to no case.
  void Violation(const std::string& text);
  // What the program's log says about the client at that port.
  void set_explain(std::function<std::string(const Case&)> explain) {
    explain_ = std::move(explain);
  }
  void set_verbose(bool verbose) { verbose_ = verbose; }

 private:
  struct Entry {
    Case c;
    std::weak_ptr<Actor> client;
    std::weak_ptr<Actor> backend;
  };

  void JudgeCase(uint64_t number);
  void Wake(const std::weak_ptr<Actor>& actor);

  const uint64_t seed_;
  World* const world_;  // Not owned.
  std::unordered_map<uint64_t, std::unique_ptr<Entry>> entries_;
  std::function<std::string(const Case&)> explain_;
  std::array<uint64_t, kKinds> kinds_ = {};
  std::array<uint64_t, kBackendModes> connected_ = {};
  std::array<uint64_t, kBackendModes> removable_ = {};
  std::array<std::map<std::string, Bounds>, kBackendModes> reasons_;
  std::set<std::array<uint64_t, 3>> handshake_cuts_;
  size_t active_ = 0;
  uint64_t begun_ = 0;
  uint64_t violations_ = 0;
  uint64_t bytes_checked_ = 0;
  uint64_t silent_ = 0;  // whose backend may see FIN without knowing whose it is
  uint64_t stranger_fins_ = 0;
  bool verbose_ = false;
};

}  // namespace tlsbridge::chaos
