// The connections that the kernel forwards, from what connection tracking says of them.
//
// Messages come in the kernel's order. Each flow of ours is told of when it is there, when the
// backend has answered, and, once, how it ended. A flow whose peers have ended it is over, though
// its entry stays for seconds: its counters are asked for then (TakeUnasked()), so that its record
// does not wait for them.
//
// Connection tracking takes a FIN that is sent twice, for want of an answer within milliseconds,
// for those of both sides. So a flow of which only one side has ended may be told of as over; what
// it moves after that is told of when its entry goes.
//
// When events were lost, a dump says what there is: BeginDump(), Take() of each entry, EndDump().
// Flows that began meanwhile are told of, and those that the dump has not are ended.
//
// Thread: one; pure state. Owner: the caller. Failure: none; what makes no sense is left out.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "router/kernel/flow_end.h"
#include "router/kernel/known_flows.h"
#include "router/kernel/netlink/flow_message.h"

namespace tlsbridge::kernel {

struct Flow {
  uint32_t id = 0;
  std::string route;
  netlink::FlowTuple original;
  netlink::FlowTuple reply;
  absl::Time began_at;
  bool was_known = false;  // to the process that has handed over, which has counted it till then
  bool was_found = false;  // there before its news: nobody saw how long it took to connect
  FlowCourse course;
  // Of packets with their headers, as far as is known; none where accounting was off.
  std::optional<uint64_t> ip_bytes_from_client;
  std::optional<uint64_t> ip_bytes_from_backend;
};

struct FlowEvent {
  enum class Kind : uint8_t {
    kBegan,
    kConnected,
    kEnded,
    kWentOn,  // after that, and now it is over
  };
  Kind kind = Kind::kBegan;
  Flow flow;            // as it is after it
  FlowReasons reasons;  // kEnded
  absl::Time ended_at;  // kEnded
  // kWentOn: what it has moved since its end was told.
  uint64_t late_from_client = 0;
  uint64_t late_from_backend = 0;
};

class FlowTable {
 public:
  // Whose a flow is (FlowOwner::Find); nullopt: not ours.
  using Owner = std::function<std::optional<std::string>(const netlink::FlowTuple& original,
                                                         const netlink::FlowTuple& reply)>;
  explicit FlowTable(Owner owner) : owner_(std::move(owner)) {}

  // For flows that begin from now on.
  void SetOwner(Owner owner) { owner_ = std::move(owner); }

  enum class From : uint8_t {
    kEvent,
    kAnswer,  // to a question, or an entry of a dump: has the counters, if flows are counted at all
  };
  std::vector<FlowEvent> Take(const netlink::FlowMessage& message, absl::Time now,
                              From from = From::kEvent);

  // What the process before knew. Until the end of the first dump.
  void Expect(const std::vector<KnownFlow>& flows);
  // The same, of this one, for the next.
  std::vector<KnownFlow> Known() const;

  void BeginDump();
  std::vector<FlowEvent> EndDump(absl::Time now);

  // The flow of this number, if it is not over. Valid until the table changes.
  const Flow* Find(uint32_t id) const;
  // We remove this flow's entry; the event of its end is still to come. False if there is none that
  // is not over.
  bool WillRemove(uint32_t id, TerminationReason reason);

  // Flows that are over and whose counters nobody has asked for; each once.
  std::vector<Flow> TakeUnasked();

  // Those whose backend has not answered, and that began before this.
  std::vector<Flow> Opening(absl::Time before) const;

  // Those that are not over.
  size_t open() const { return open_; }
  size_t open_of(const std::string& route) const;
  std::vector<Flow> Snapshot() const;

 private:
  enum class State : uint8_t {
    kOpen,
    kOver,      // its record waits for its counters
    kRecorded,  // told of; its entry is there still
  };
  struct Entry {
    Flow flow;
    State state = State::kOpen;
    bool seen = false;  // in the dump that goes on
  };

  void Update(const netlink::FlowMessage& message, Entry* entry);
  void Leave(Entry* entry, State state);
  FlowEvent End(Entry* entry, absl::Time now);
  // Of a flow that is new here; nullptr if it is none of ours.
  Entry* Begin(const netlink::FlowMessage& message, absl::Time now, From from,
               std::vector<FlowEvent>* events);
  static std::optional<FlowEvent> WentOn(const netlink::FlowMessage& message, Entry* entry);

  Owner owner_;
  absl::flat_hash_map<uint32_t, Entry> entries_;
  absl::flat_hash_map<std::string, size_t> by_route_;
  absl::flat_hash_map<uint32_t, std::optional<std::string>> expected_;
  std::set<uint32_t> vanished_;  // ended by the last dump; their ends may yet be told
  std::vector<uint32_t> unasked_;
  std::set<uint32_t> opening_;
  size_t open_ = 0;
};

}  // namespace tlsbridge::kernel
