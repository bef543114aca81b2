// The plaintext backend of one program: accepts, finds out whose connection it is, and carries out
// the backend's part of that plan.
//
// Thread: one. Owner: the run; world and ledger outlive it. Failure: noted in the cases.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "tools/chaos/case.h"
#include "tools/chaos/content.h"
#include "tools/chaos/ledger.h"
#include "tools/chaos/socket.h"
#include "tools/chaos/world.h"

namespace tlsbridge::chaos {

class Backend;

// One accepted connection.
class BackendConnection final : public Actor {
 public:
  BackendConnection(Backend* backend, Socket socket, uint64_t token);

  void Begin();
  void Step() override;
  // Whose it is: its own header says so, or its client, who has received its token.
  void Bind(uint64_t number);

 private:
  void Receive();
  void Produce();
  bool FaultIsDue() const;
  void Fail();
  bool Finished() const;
  void Done();

  Backend* const backend_;  // Not owned.
  Socket socket_;
  const uint64_t token_;
  Case* c_ = nullptr;  // null while nobody knows whose it is
  std::optional<Content> content_;
  std::optional<Content> expected_;
  Verifier verifier_;
  absl::Time deadline_;
  absl::Time paused_until_ = absl::InfinitePast();
  absl::Time stalled_until_ = absl::InfinitePast();
  bool stall_over_ = false;
  bool finished_ = false;
  uint32_t writes_ = 0;
  uint64_t header_sent_ = 0;
  uint64_t body_sent_ = 0;
};

class Backend final : public Actor {
 public:
  Backend(BackendMode mode, World* world, Ledger* ledger, absl::Duration patience);

  absl::Status Open();
  // Accepts who waits.
  void Step() override;
  // The connection that sent `token` is that of case `number`.
  void Claim(uint64_t token, uint64_t number);

  BackendMode mode() const { return mode_; }
  bench::Address address() const { return listener_.LocalAddress(); }
  uint64_t accepted() const { return accepted_; }
  size_t live() const { return connections_.size(); }

 private:
  friend class BackendConnection;

  // A connection that ended before its client told us whose it was.
  struct Gone {
    uint64_t sent;
    uint64_t received;
    PeerEnd peer_end;
  };

  const BackendMode mode_;
  World* const world_;    // Not owned.
  Ledger* const ledger_;  // Not owned.
  const absl::Duration patience_;
  Socket listener_;
  std::vector<Socket> blockers_;  // fill the queue of a backend that never answers
  std::unordered_map<uint64_t, std::shared_ptr<BackendConnection>> connections_;  // by token
  std::unordered_map<uint64_t, Gone> gone_;                                       // by token
  uint64_t accepted_ = 0;
};

}  // namespace tlsbridge::chaos
