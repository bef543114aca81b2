// The program's table in the kernel: made, changed by differences, and removed.
//
// The table belongs to this object's socket. The kernel lets no other process change it, and
// removes it when the socket is closed, whatever ends the process; unless `keep` was asked for.
//
// Thread: one. Owner: the caller. Failure: a Status that names the part of the table that the
// kernel refused. Then the table is what it was before.
#pragma once

#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "router/kernel/netfilter_socket.h"
#include "router/kernel/plan_change.h"
#include "router/kernel/ruleset.h"

namespace tlsbridge::kernel {

class KernelTable {
 public:
  struct Options {
    bool keep = false;  // when the process ends; Linux 6.9
  };

  // Makes the table. One of the same name that no living process owns is taken over in the same
  // step: there is no moment without rules. AlreadyExists if a living process owns it.
  static absl::StatusOr<std::unique_ptr<KernelTable>> Create(Ruleset rules, Options options);

  // The same of a table that another process hands over, by the socket that it belongs to. Whatever
  // it holds is replaced in one step. Failure: it holds what it did.
  static absl::StatusOr<std::unique_ptr<KernelTable>> TakeOver(
      std::unique_ptr<NetfilterSocket> socket, Ruleset rules, Options options);
  // To be handed over; ours still.
  int fd() const { return socket_->fd(); }
  // Another process has had the socket: nobody knows what the table holds, until the next Apply().
  void Distrust();

  // Whether the kernel would take `rules`; changes nothing.
  absl::Status Check(const Ruleset& rules);

  // Makes the table `rules`. If the difference is refused, which it is when somebody has changed
  // the table, the whole is written, once.
  absl::Status Apply(Ruleset rules);

  // The same for a part of the rules. REQUIRES: `change.from` is a part of rules().
  absl::Status Apply(const RulesetChange& change);

  // Afterwards there is no table; Apply() makes it again.
  absl::Status Remove();

  const Ruleset& rules() const { return rules_; }
  uint64_t rewrites() const { return rewrites_; }

 private:
  KernelTable(std::unique_ptr<NetfilterSocket> socket, uint32_t flags, std::string table);

  absl::Status Write(Ruleset rules);
  absl::Status Rewrite(Ruleset rules);

  const std::unique_ptr<NetfilterSocket> socket_;
  const uint32_t flags_;
  Ruleset rules_;  // as the kernel has it
  bool exists_ = false;
  bool trusted_ = true;  // the kernel has rules_
  uint64_t rewrites_ = 0;
};

// What the kernel says of a table.
struct TableStatus {
  bool exists = false;
  uint32_t owner = 0;  // the port of a living owner's socket; 0: none
};
absl::StatusOr<TableStatus> FindTable(const std::string& name, NetfilterSocket* socket);
// AlreadyExists if a living process owns it by another socket than that with `own_port`.
absl::StatusOr<TableStatus> FindFreeTable(const std::string& name, NetfilterSocket* socket,
                                          uint32_t own_port = 0);

}  // namespace tlsbridge::kernel
