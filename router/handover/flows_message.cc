#include "router/handover/flows_message.h"

#include <map>
#include <string>

#include "absl/status/status.h"
#include "router/handover/wire.h"

namespace tlsbridge {
namespace {

using kernel::KnownFlow;

// Routes: how many, and the name of each. Then each flow: its number and that of its route, counted
// from 1; 0 if it is recorded.
constexpr size_t kLeastRouteBytes = 2;

}  // namespace

SecretBytes EncodeFlows(const std::vector<KnownFlow>& flows) {
  std::map<std::string, uint32_t> numbers;
  for (const KnownFlow& flow : flows) {
    if (flow.route) numbers.try_emplace(*flow.route, 0);
  }
  SecretBytes bytes;
  wire::Put(&bytes, numbers.size(), 4);
  uint32_t last = 0;
  for (auto& [name, number] : numbers) {
    number = ++last;
    wire::PutText(&bytes, name);
  }
  for (const KnownFlow& flow : flows) {
    wire::Put(&bytes, flow.id, 4);
    wire::Put(&bytes, flow.route ? numbers.at(*flow.route) : 0, 4);
  }
  return bytes;
}

absl::StatusOr<std::vector<KnownFlow>> DecodeFlows(absl::Span<const uint8_t> bytes) {
  wire::Reader in(bytes);
  std::vector<std::string> routes;
  for (size_t left = in.Count(kLeastRouteBytes); in.ok() && left > 0; --left) {
    routes.push_back(in.Text());
  }
  std::vector<KnownFlow> flows;
  while (in.ok() && !in.at_end()) {
    KnownFlow& flow = flows.emplace_back();
    flow.id = static_cast<uint32_t>(in.Number(4));
    const uint64_t route = in.Number(4);
    if (route > routes.size()) {
      in.Fail();
    } else if (route > 0) {
      flow.route = routes[route - 1];
    }
  }
  if (!in.ok()) return absl::InvalidArgumentError("malformed hand-over: the kernel flows");
  return flows;
}

}  // namespace tlsbridge
