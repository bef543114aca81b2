#include "router/kernel/flow_table.h"

#include <linux/netfilter/nf_conntrack_tcp.h>
#include <stdint.h>

#include <algorithm>
#include <utility>

namespace tlsbridge::kernel {
namespace {

using netlink::FlowMessage;
using Kind = FlowMessage::Kind;

absl::Time FromNanoseconds(const std::optional<uint64_t>& since_epoch, absl::Time otherwise) {
  if (!since_epoch || *since_epoch == 0) return otherwise;
  return absl::UnixEpoch() + absl::Nanoseconds(static_cast<int64_t>(*since_epoch & INT64_MAX));
}

// The last packets of a flow that is over, some of them maybe twice, are no more than this.
constexpr uint64_t kLastPacketsBytes = 400;

bool IsEstablished(uint8_t state) {
  return state >= TCP_CONNTRACK_ESTABLISHED && state <= TCP_CONNTRACK_TIME_WAIT;
}

}  // namespace

void FlowTable::Update(const FlowMessage& message, Entry* entry) {
  Flow& flow = entry->flow;
  if (message.client_bytes) flow.ip_bytes_from_client = message.client_bytes->bytes;
  if (message.backend_bytes) flow.ip_bytes_from_backend = message.backend_bytes->bytes;
  flow.began_at = FromNanoseconds(message.started, flow.began_at);
  if (!message.tcp_state) return;
  FlowCourse& course = flow.course;
  course.state = *message.tcp_state;
  if (IsEstablished(course.state)) course.established = true;
  if (course.first_fin) return;
  if ((message.client_flags & IP_CT_TCP_FLAG_CLOSE_INIT) != 0) {
    course.first_fin = Side::kIncoming;
  } else if ((message.backend_flags & IP_CT_TCP_FLAG_CLOSE_INIT) != 0) {
    course.first_fin = Side::kOutgoing;
  }
}

void FlowTable::Leave(Entry* entry, State state) {
  if (entry->state == State::kOpen && state != State::kOpen) {
    --open_;
    opening_.erase(entry->flow.id);
    const auto count = by_route_.find(entry->flow.route);
    if (--count->second == 0) by_route_.erase(count);
  }
  entry->state = state;
}

FlowEvent FlowTable::End(Entry* entry, absl::Time now) {
  Leave(entry, State::kRecorded);
  return {FlowEvent::Kind::kEnded, entry->flow, ReasonsFor(entry->flow.course), now};
}

std::optional<FlowEvent> FlowTable::WentOn(const FlowMessage& message, Entry* entry) {
  const auto late = [](const std::optional<netlink::FlowCounters>& now,
                       std::optional<uint64_t>* told) {
    if (!now || !*told || now->bytes <= **told) return uint64_t{0};
    return now->bytes - std::exchange(*told, now->bytes).value_or(0);
  };
  Flow& flow = entry->flow;
  FlowEvent event = {.kind = FlowEvent::Kind::kWentOn};
  event.late_from_client = late(message.client_bytes, &flow.ip_bytes_from_client);
  event.late_from_backend = late(message.backend_bytes, &flow.ip_bytes_from_backend);
  if (std::max(event.late_from_client, event.late_from_backend) <= kLastPacketsBytes) {
    return std::nullopt;
  }
  event.flow = flow;
  return event;
}

FlowTable::Entry* FlowTable::Begin(const FlowMessage& message, absl::Time now, From from,
                                   std::vector<FlowEvent>* events) {
  Flow flow;
  State state = State::kOpen;
  if (const auto expected = expected_.find(message.id); expected != expected_.end()) {
    flow.was_known = true;
    flow.route = expected->second.value_or("");
    if (!expected->second) state = State::kRecorded;
    expected_.erase(expected);
  } else if (std::optional<std::string> route = owner_(message.original, message.reply)) {
    flow.route = *std::move(route);
  } else {
    return nullptr;
  }
  flow.id = message.id;
  flow.original = message.original;
  flow.reply = message.reply;
  flow.began_at = FromNanoseconds(message.started, now);
  flow.was_found = flow.was_known || from == From::kAnswer;
  if (state == State::kOpen) {
    ++open_;
    opening_.insert(flow.id);
    ++by_route_[flow.route];
    // Even what it has carried already.
    if (message.client_bytes) flow.ip_bytes_from_client = message.client_bytes->bytes;
    if (message.backend_bytes) flow.ip_bytes_from_backend = message.backend_bytes->bytes;
    events->push_back({FlowEvent::Kind::kBegan, flow, {}, {}});
  }
  Entry& entry = entries_[message.id];
  entry.flow = std::move(flow);
  entry.state = state;
  return &entry;
}

void FlowTable::Expect(const std::vector<KnownFlow>& flows) {
  for (const KnownFlow& flow : flows) expected_[flow.id] = flow.route;
}

std::vector<KnownFlow> FlowTable::Known() const {
  std::vector<KnownFlow> flows;
  flows.reserve(entries_.size());
  for (const auto& [id, entry] : entries_) {
    flows.push_back({id, entry.state == State::kRecorded ? std::nullopt
                                                         : std::make_optional(entry.flow.route)});
  }
  return flows;
}

std::vector<FlowEvent> FlowTable::Take(const FlowMessage& message, absl::Time now, From from) {
  std::vector<FlowEvent> events;
  if (vanished_.erase(message.id) > 0 && message.kind == Kind::kDestroy) return events;
  auto found = entries_.find(message.id);
  // The kernel gives a number again only after the end of who had it; that end was lost.
  if (found != entries_.end() && found->second.flow.original != message.original) {
    if (found->second.state != State::kRecorded) {
      found->second.flow.course.vanished = true;
      events.push_back(End(&found->second, now));
    }
    entries_.erase(found);
    found = entries_.end();
  }
  Entry* const known =
      found != entries_.end() ? &found->second : Begin(message, now, from, &events);
  if (known == nullptr) return events;

  Entry& entry = *known;
  entry.seen = true;
  const bool was_established = entry.flow.course.established;
  if (entry.state != State::kRecorded) Update(message, &entry);
  if (entry.flow.course.established && !was_established) {
    opening_.erase(message.id);
    events.push_back({FlowEvent::Kind::kConnected, entry.flow, {}, {}});
  }
  if (message.kind == Kind::kDestroy) {
    if (entry.state != State::kRecorded) {
      events.push_back(End(&entry, FromNanoseconds(message.stopped, now)));
    } else if (std::optional<FlowEvent> event = WentOn(message, &entry)) {
      events.push_back(*std::move(event));
    }
    entries_.erase(message.id);
    return events;
  }
  const bool is_counted = message.client_bytes || from == From::kAnswer;
  if (entry.state == State::kOpen && IsOver(entry.flow.course.state)) {
    Leave(&entry, State::kOver);
    if (!is_counted) unasked_.push_back(message.id);
  }
  if (entry.state == State::kOver && is_counted) events.push_back(End(&entry, now));
  return events;
}

void FlowTable::BeginDump() {
  vanished_.clear();
  for (auto& [id, entry] : entries_) entry.seen = false;
}

std::vector<FlowEvent> FlowTable::EndDump(absl::Time now) {
  std::vector<FlowEvent> events;
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const auto current = entry++;
    if (current->second.seen) continue;
    if (current->second.state != State::kRecorded) {
      current->second.flow.course.vanished = true;
      events.push_back(End(&current->second, now));
      vanished_.insert(current->first);
    }
    entries_.erase(current);
  }
  expected_.clear();
  return events;
}

const Flow* FlowTable::Find(uint32_t id) const {
  const auto found = entries_.find(id);
  if (found == entries_.end() || found->second.state != State::kOpen) return nullptr;
  return &found->second.flow;
}

bool FlowTable::WillRemove(uint32_t id, TerminationReason reason) {
  const auto found = entries_.find(id);
  if (found == entries_.end() || found->second.state != State::kOpen) return false;
  found->second.flow.course.removed_for = reason;
  return true;
}

std::vector<Flow> FlowTable::TakeUnasked() {
  std::vector<Flow> flows;
  for (const uint32_t id : std::exchange(unasked_, {})) {
    const auto found = entries_.find(id);
    if (found != entries_.end() && found->second.state == State::kOver) {
      flows.push_back(found->second.flow);
    }
  }
  return flows;
}

std::vector<Flow> FlowTable::Opening(absl::Time before) const {
  std::vector<Flow> flows;
  for (const uint32_t id : opening_) {
    const Flow* const flow = Find(id);
    if (flow != nullptr && flow->began_at < before) flows.push_back(*flow);
  }
  return flows;
}

size_t FlowTable::open_of(const std::string& route) const {
  const auto count = by_route_.find(route);
  return count == by_route_.end() ? 0 : count->second;
}

std::vector<Flow> FlowTable::Snapshot() const {
  std::vector<Flow> flows;
  for (const auto& [id, entry] : entries_) {
    if (entry.state == State::kOpen) flows.push_back(entry.flow);
  }
  return flows;
}

}  // namespace tlsbridge::kernel
