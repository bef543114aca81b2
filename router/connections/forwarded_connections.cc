#include "router/connections/forwarded_connections.h"

#include <errno.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "router/connections/deadlines.h"
#include "router/kernel/flow_end.h"
#include "router/log/log.h"

namespace tlsbridge {
namespace {

using kernel::Flow;
using kernel::FlowEvent;
using kernel::FlowReasons;

// If the kernel would not end a flow.
constexpr absl::Duration kAskAgain = absl::Seconds(1);

absl::Duration NotNegative(absl::Duration duration) {
  return std::max(duration, absl::ZeroDuration());
}

double Seconds(absl::Duration duration) {
  return absl::ToDoubleSeconds(absl::Trunc(duration, absl::Milliseconds(1)));
}

BridgeState StateOf(const ConnectionRecord& record) {
  return record.connected_at < absl::InfiniteFuture() ? BridgeState::kBridging
                                                      : BridgeState::kConnecting;
}

}  // namespace

struct ForwardedConnections::Forwarded {
  explicit Forwarded(EventLoop* loop, absl::AnyInvocable<void()> on_too_old)
      : too_old(loop, std::move(on_too_old), Timer::Of::kService) {}

  uint32_t flow = 0;
  SocketAddress dialled;
  SocketAddress backend;
  std::string backend_name;
  // Before the token, which its limits outlive; null if it went before the first news came.
  std::shared_ptr<const LiveRoute> route;
  std::shared_ptr<const Route> settings;
  RouteMetrics::Share* metrics;
  Admission::Token token;
  BackendPool::Lease lease;
  ConnectionRecord record;  // points at members above
  // Of packets with their headers; none where they are not counted.
  std::optional<uint64_t> received;
  std::optional<uint64_t> sent;
  Timer too_old;
};

ForwardedConnections::ForwardedConnections(EventLoop* loop, FailureFolder* folder, EndFlow end_flow)
    : loop_(loop),
      end_flow_(std::move(end_flow)),
      log_(loop, folder),
      random_(std::random_device()()) {}

ForwardedConnections::~ForwardedConnections() = default;

void ForwardedConnections::Adopt(std::shared_ptr<const LiveConfig> live) {
  live_ = std::move(live);
  for (auto& [flow, forwarded] : by_flow_) {
    if (live_->ByName(forwarded->settings->name) == nullptr) Retire(forwarded.get());
  }
}

void ForwardedConnections::OnFlow(const FlowEvent& event) {
  if (event.kind == FlowEvent::Kind::kBegan) return Begin(event.flow);
  if (event.kind == FlowEvent::Kind::kWentOn) return CountLateBytes(event);
  const auto found = by_flow_.find(event.flow.id);
  if (found == by_flow_.end()) return;  // it was cut
  Forwarded* const forwarded = found->second.get();
  ConnectionRecord& record = forwarded->record;
  if (event.kind == FlowEvent::Kind::kConnected) {
    record.connected_at = loop_->now();
    if (!event.flow.was_found)
      forwarded->metrics->connect.Observe(record.connected_at - record.connecting_since);
    if (forwarded->lease) forwarded->lease.Connected(loop_->common_now());
    return;
  }
  CountBytesOf(forwarded, event.flow);
  record.ended_at = record.accepted_at + NotNegative(event.ended_at - event.flow.began_at);
  if (forwarded->lease && kernel::IsBackendsFault(event.reasons)) {
    const bool refused = event.reasons.outgoing == TerminationReason::kEconnrefused;
    forwarded->lease.Failed(refused ? ECONNREFUSED : ETIMEDOUT, loop_->common_now());
  }
  const bool is_lost =
      event.flow.course.vanished && event.reasons.reason == TerminationReason::kProxyError;
  End(forwarded, event.reasons, is_lost ? "events_lost" : "");
}

void ForwardedConnections::Begin(const Flow& flow) {
  std::unique_ptr<Forwarded>& known = by_flow_[flow.id];
  if (known != nullptr) by_id_.erase(known->record.id);  // of the kernel before, as it were
  known = std::make_unique<Forwarded>(loop_, [this, id = flow.id] {
    Forwarded& old = *by_flow_.at(id);
    old.too_old.ArmAfter(kAskAgain);
    end_flow_(id, old.record.retired ? TerminationReason::kRouteRemoved
                                     : TerminationReason::kMaxLifetime);
  });
  Forwarded* const forwarded = known.get();
  forwarded->flow = flow.id;
  forwarded->dialled = ToSocketAddress(flow.original.destination, flow.original.destination_port);
  forwarded->backend = ToSocketAddress(flow.reply.source, flow.reply.source_port);
  forwarded->backend_name = forwarded->backend.ToString();
  forwarded->route = live_->Share(flow.route);
  const LiveRoute& counts = forwarded->route != nullptr ? *forwarded->route : *live_->unrouted();
  forwarded->metrics = &counts.state->metrics.ShareOf(this);
  if (forwarded->route != nullptr) {
    forwarded->settings = forwarded->route->settings;
  } else {
    auto gone = std::make_shared<Route>();
    gone->name = flow.route;
    forwarded->settings = std::move(gone);
  }

  if (flow.was_known) {  // counted by the process before
    forwarded->received = flow.ip_bytes_from_client;
    forwarded->sent = flow.ip_bytes_from_backend;
  }

  ConnectionRecord& record = forwarded->record;
  record.id = next_id_++;
  record.peer = ToSocketAddress(flow.original.source, flow.original.source_port);
  record.listener = &forwarded->dialled;
  record.route = forwarded->settings.get();
  record.routed = true;
  record.accepted_at = loop_->now() - NotNegative(loop_->clock().Wall() - flow.began_at);
  record.connecting_since = record.accepted_at;
  by_id_[record.id] = forwarded;

  if (forwarded->route != nullptr) {
    if (!flow.was_known) forwarded->metrics->opened.Add();
    forwarded->route->state->admission.Count(record.peer, loop_->common_now(), &forwarded->token);
    if (forwarded->route->backends != nullptr) {
      forwarded->lease = forwarded->route->backends->Take(forwarded->backend);
    }
  }
  record.lifetime = WithJitter(forwarded->settings->timeouts.max_lifetime,
                               std::uniform_real_distribution<double>(0, 1)(random_));
  if (forwarded->route == nullptr) {
    Retire(forwarded);
  } else if (record.lifetime < absl::InfiniteDuration()) {
    forwarded->too_old.ArmAt(record.accepted_at + record.lifetime);
  }
}

void ForwardedConnections::Retire(Forwarded* forwarded) {
  ConnectionRecord& record = forwarded->record;
  if (std::exchange(record.retired, true)) return;
  const absl::Time by_age = record.accepted_at + record.lifetime;
  forwarded->too_old.ArmAt(std::min(by_age, loop_->now() + live_->config().shutdown.drain_timeout));
}

void ForwardedConnections::End(Forwarded* forwarded, const FlowReasons& reasons,
                               absl::string_view detail) {
  ConnectionRecord& record = forwarded->record;
  record.end.reason = reasons.reason;
  record.end.incoming = reasons.incoming;
  record.end.outgoing = reasons.outgoing;
  stats_.IncrementConnections(reasons.reason);
  stats_.IncrementTerminationStat(Side::kIncoming, reasons.incoming);
  stats_.IncrementTerminationStat(Side::kOutgoing, reasons.outgoing);
  forwarded->metrics->CountEnd(reasons.reason, tls::FailureDetail::kNone);
  Admission::Token().swap(forwarded->token);  // before the log tells that there is room
  log_.WriteEnd(record, {forwarded->backend_name, detail, forwarded->received, forwarded->sent});
  by_id_.erase(record.id);
  by_flow_.erase(forwarded->flow);
  if (by_flow_.empty() && on_empty_) on_empty_();
}

void ForwardedConnections::CountBytesOf(Forwarded* forwarded, const Flow& flow) {
  const auto more = [](std::optional<uint64_t>* known, const std::optional<uint64_t>& now) {
    if (!now || *now <= known->value_or(0)) return uint64_t{0};
    const uint64_t grown = *now - known->value_or(0);
    *known = now;
    return grown;
  };
  const uint64_t received = more(&forwarded->received, flow.ip_bytes_from_client);
  const uint64_t sent = more(&forwarded->sent, flow.ip_bytes_from_backend);
  forwarded->metrics->ip_bytes[0].Add(received);
  forwarded->metrics->ip_bytes[1].Add(sent);
}

void ForwardedConnections::CountLateBytes(const FlowEvent& event) {
  const Flow& flow = event.flow;
  const std::shared_ptr<const LiveRoute> route = live_->Share(flow.route);
  const LiveRoute& counts = route != nullptr ? *route : *live_->unrouted();
  RouteMetrics::Share& metrics = counts.state->metrics.ShareOf(this);
  metrics.ip_bytes[0].Add(event.late_from_client);
  metrics.ip_bytes[1].Add(event.late_from_backend);
  LogEvent(LogLevel::kInfo, "kernel_flow_went_on")
      .Text("peer", ToSocketAddress(flow.original.source, flow.original.source_port).ToString())
      .Text("route", flow.route)
      .Text("backend", ToSocketAddress(flow.reply.source, flow.reply.source_port).ToString())
      .Number("ip_bytes_received", event.late_from_client)
      .Number("ip_bytes_sent", event.late_from_backend)
      .Text("message",
            "its connection_end was logged too early: only one side had ended its stream, and sent "
            "its FIN twice");
}

void ForwardedConnections::CountBytes(const kernel::FlowTable& flows) {
  for (const Flow& flow : flows.Snapshot()) {
    const auto found = by_flow_.find(flow.id);
    if (found != by_flow_.end()) CountBytesOf(found->second.get(), flow);
  }
}

void ForwardedConnections::CutAll(TerminationReason reason) {
  while (!by_flow_.empty()) {
    Forwarded* const forwarded = by_flow_.begin()->second.get();
    forwarded->record.ended_at = loop_->now();
    End(forwarded, {reason, reason, reason}, "");
  }
}

void ForwardedConnections::Forget() {
  by_id_.clear();
  by_flow_.clear();
}

std::vector<uint64_t> ForwardedConnections::NextIds(uint64_t after, size_t most,
                                                    const ConnectionFilter& filter) const {
  std::vector<uint64_t> ids;
  for (auto it = by_id_.upper_bound(after); it != by_id_.end() && ids.size() < most; ++it) {
    const ConnectionRecord& record = it->second->record;
    if (filter.Matches(record, StateOf(record))) ids.push_back(it->first);
  }
  return ids;
}

std::string ForwardedConnections::List(const IdRange& range, const ConnectionFilter& filter) const {
  std::string records;
  for (auto it = by_id_.upper_bound(range.after); it != by_id_.end() && it->first <= range.until;
       ++it) {
    const Forwarded& forwarded = *it->second;
    const ConnectionRecord& record = forwarded.record;
    if (!filter.Matches(record, StateOf(record))) continue;
    nlohmann::ordered_json json;
    json["id"] = record.id;
    json["peer"] = record.peer.ToString();
    json["listener"] = record.listener->ToString();
    json["route"] = record.route->name;
    json["backend"] = forwarded.backend_name;
    json["engine"] = "nftables";
    json["state"] = BridgeStateName(StateOf(record));
    json["age_seconds"] = Seconds(loop_->now() - record.accepted_at);
    if (forwarded.received) json["ip_bytes_received"] = *forwarded.received;
    if (forwarded.sent) json["ip_bytes_sent"] = *forwarded.sent;
    if (!records.empty()) records.push_back(',');
    records +=
        json.dump(-1, ' ', /*ensure_ascii=*/true, nlohmann::ordered_json::error_handler_t::replace);
  }
  return records;
}

}  // namespace tlsbridge
