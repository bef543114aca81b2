#include "router/service/kernel_diagnosis.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "router/config/cidr.h"
#include "router/kernel/first_packets.h"
#include "router/kernel/obstacles.h"
#include "router/log/log.h"

namespace tlsbridge {
namespace {

using kernel::FlowEvent;

// A client sends its first packet three times in three seconds if nobody answers.
constexpr uint64_t kManyPackets = 3;
constexpr int kManyTimeouts = 3;
// Names change their meaning; those that are no backends any more are forgotten with the rest.
constexpr size_t kMostSilent = 10'000;

std::string BackendOf(const kernel::Flow& flow) {
  return ToSocketAddress(flow.reply.source, flow.reply.source_port).ToString();
}

}  // namespace

void KernelDiagnosis::OnFlow(const FlowEvent& event) {
  if (event.kind == FlowEvent::Kind::kWentOn) return;
  Port& port = ports_[event.flow.original.destination_port];
  switch (event.kind) {
    case FlowEvent::Kind::kBegan:
      port.began = true;
      ++port.open;
      return;
    case FlowEvent::Kind::kConnected:
      if (!silent_.empty()) silent_.erase({event.flow.route, BackendOf(event.flow)});
      return;
    case FlowEvent::Kind::kWentOn:
      return;
    case FlowEvent::Kind::kEnded:
      --port.open;
      break;
  }
  if (event.reasons.reason != TerminationReason::kConnectTimeout) return;
  if (silent_.size() >= kMostSilent) silent_.clear();
  const std::string backend = BackendOf(event.flow);
  if (++silent_[{event.flow.route, backend}] != kManyTimeouts) return;
  LogEvent(LogLevel::kWarning, "kernel_no_answer")
      .Text("route", event.flow.route)
      .Text("backend", backend)
      .Text("message",
            "the kernel forwards to it and it sends no reply: it is down, a firewall blocks it, "
            "or, with kernel.source: keep, its replies are not routed through this machine");
}

void KernelDiagnosis::Look(const kernel::KernelEngine& engine) {
  if (engine.overflows() > overflows_) {
    overflows_ = engine.overflows();
    LogEvent(LogLevel::kWarning, "kernel_events_lost")
        .Number("times", overflows_)
        .Text("message",
              "connection tracking events came faster than they were read; the flows that exist "
              "were read again, and how others ended meanwhile is unknown");
  }
  LookForBlocks(engine);
  for (auto& [number, port] : ports_) port.began = false;
}

void KernelDiagnosis::LookForBlocks(const kernel::KernelEngine& engine) {
  std::vector<std::string> blocks = kernel::FindForwardDrops(engine.rules().table);
  for (const kernel::Obstacle& obstacle : kernel::FindForwardingOff(engine.rules())) {
    blocks.push_back(absl::StrCat(obstacle.what, " (", obstacle.remedy, ")"));
  }
  if (blocks.empty()) return;
  const auto counts = kernel::CountFirstPackets(engine.rules());
  if (!counts.ok()) return;
  for (const auto& [number, count] : *counts) {
    Port& port = ports_[number];
    if (port.began || port.open > 0 || count < port.counted) {
      port.counted = count;
      port.told = false;
    } else if (!port.told && count - port.counted >= kManyPackets) {
      port.told = true;
      LogEvent(LogLevel::kWarning, "kernel_forward_blocked")
          .Number("port", number)
          .Text("by", absl::StrJoin(blocks, ", "))
          .Text("message",
                "clients of this port are forwarded to backends, and dropped by this chain; accept "
                "what is forwarded there (nft: ct status dnat accept)");
    }
  }
}

}  // namespace tlsbridge
