// Reads what connection tracking says of flows, and keeps the table of ours up to date.
//
// Events come by one socket, whose descriptor the caller polls; questions and dumps go by another,
// so that an answer is never lost among events. When the kernel had to throw events away, the next
// Read() dumps all entries and makes the table good.
//
// Thread: one. Owner: the caller. Failure: a Status that names what the kernel refused; the table
// is what it was.
#pragma once

#include <stdint.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bridge/event/clock.h"
#include "router/kernel/flow_table.h"
#include "router/kernel/netfilter_socket.h"

namespace tlsbridge::kernel {

class FlowWatcher {
 public:
  using Observer = std::function<void(const FlowEvent&)>;

  struct Options {
    // For events that have not been read. An event is some 300 bytes, and a flow has seven.
    int receive_buffer_bytes = 16 << 20;
  };

  // What goes on from where another process has stopped reading.
  struct Inherited {
    std::unique_ptr<NetfilterSocket> events;
    std::vector<KnownFlow> flows;  // to that process
  };

  // Flows that are there already are told of in the first Read().
  static absl::StatusOr<std::unique_ptr<FlowWatcher>> Create(FlowTable::Owner owner,
                                                             Observer observer, const Clock* clock,
                                                             Options options,
                                                             Inherited inherited = {});

  // To be polled for reading.
  int fd() const { return events_->fd(); }

  // Takes what there is, `most` datagrams at most; true if more may be there. The observer is
  // called for what is new.
  absl::StatusOr<bool> Read(int most);

  // Dumps all entries, so that the table is what the kernel has; for now and then, too: what is
  // found to differ was lost.
  absl::Status Reconcile();

  // Asks for flows that a backend has not answered for so long: those that have timed out are then
  // told of. To be called about once a second.
  void AskForOpening(absl::Duration longer_than);

  // Somebody else may have read events: the next Read() makes the table good.
  void Distrust() { must_reconcile_ = true; }

  // Ends an open flow: its next packet either way is answered by a reset. NotFound if there is
  // none.
  absl::Status Remove(uint32_t id, TerminationReason reason);

  FlowTable& table() { return table_; }
  uint64_t overflows() const { return overflows_; }

 private:
  FlowWatcher(std::unique_ptr<NetfilterSocket> events, std::unique_ptr<NetfilterSocket> questions,
              FlowTable::Owner owner, Observer observer, const Clock* clock);

  absl::StatusOr<bool> TakeEvents(int most);
  void Take(const netlink::Message& message, FlowTable::From from);
  void Tell(const std::vector<FlowEvent>& events);
  void AskFor(const std::vector<Flow>& flows);

  const std::unique_ptr<NetfilterSocket> events_;
  const std::unique_ptr<NetfilterSocket> questions_;
  const Observer observer_;
  const Clock* const clock_;  // Not owned.
  FlowTable table_;
  bool must_reconcile_ = true;
  // What has been read of events was not read by us: only a dump knows how flows began.
  bool dump_first_ = false;
  uint64_t overflows_ = 0;
};

}  // namespace tlsbridge::kernel
