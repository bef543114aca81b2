#include "router/stats/routes_json.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace tlsbridge {
namespace {

// The members of an object, without its braces.
std::string Members(const RouteTotals& counts) {
  const std::string ended =
      ReasonsJson([&counts](auto reason) { return counts.ended[static_cast<size_t>(reason)]; });
  std::string members = absl::StrCat("\"ended\":", ended, ",\"bytes_received\":", counts.bytes[0],
                                     ",\"bytes_sent\":", counts.bytes[1]);
  if (counts.ip_bytes[0] + counts.ip_bytes[1] > 0) {
    absl::StrAppend(&members, ",\"ip_bytes_received\":", counts.ip_bytes[0],
                    ",\"ip_bytes_sent\":", counts.ip_bytes[1]);
  }
  return members;
}

// A member, of a route that is down; its message names files, which may have any name.
std::string DownMember(const std::string& down) {
  if (down.empty()) return "";
  return absl::StrCat(",\"down\":", nlohmann::json(down).dump(
                                        -1, ' ', false, nlohmann::json::error_handler_t::replace));
}

// Null for a route that blocks.
std::string BackendsJson(const BackendPool* pool, absl::Time now) {
  nlohmann::json list = nlohmann::json::array();
  if (pool == nullptr) return list.dump();
  for (const EndpointStatus& endpoint : pool->Endpoints(now)) {
    list.push_back({{"name", endpoint.name},
                    {"backend", endpoint.backend},
                    {"state", EndpointStateName(endpoint, now)},
                    {"connections", endpoint.connections},
                    {"dialled", endpoint.leases},
                    {"failed", endpoint.failures}});
  }
  return list.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

std::string RoutesJson(const LiveConfig& live, absl::Time common_now) {
  // Names are checked when the configuration is read, so that none needs to be escaped.
  std::vector<std::string> routes;
  for (const auto& route : live.routes()) {
    routes.push_back(absl::StrCat("{\"name\":\"", route->settings->name,
                                  "\",\"connections\":", route->state->admission.connections(), ",",
                                  Members(route->state->metrics.Take()),
                                  ",\"backends\":", BackendsJson(route->backends.get(), common_now),
                                  DownMember(route->tls.down), "}"));
  }
  return absl::StrCat("{\"routes\":[", absl::StrJoin(routes, ","), "],\"unrouted\":{",
                      Members(live.unrouted()->state->metrics.Take()), "},\"removed\":{",
                      Members(live.TotalsOfRemoved()), "}}");
}

std::string ReasonsJson(absl::FunctionRef<uint64_t(TerminationReason)> count) {
  std::vector<std::string> members;
  for (size_t i = 0; i < kTerminationReasons; ++i) {
    const auto reason = static_cast<TerminationReason>(i);
    if (const uint64_t n = count(reason); n > 0) {
      members.push_back(absl::StrCat("\"", TerminationReasonName(reason), "\":", n));
    }
  }
  return absl::StrCat("{", absl::StrJoin(members, ","), "}");
}

}  // namespace tlsbridge
