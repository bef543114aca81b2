#include "router/stats/route_stats.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace tlsbridge {
namespace {

// The members of an object, without its braces.
std::string Members(const RouteStats::Counts& counts) {
  const std::string ended =
      ReasonsJson([&counts](auto reason) { return counts.ended[static_cast<size_t>(reason)]; });
  std::string members =
      absl::StrCat("\"ended\":", ended, ",\"bytes_received\":", counts.bytes_received,
                   ",\"bytes_sent\":", counts.bytes_sent);
  if (counts.ip_bytes_received + counts.ip_bytes_sent > 0) {
    absl::StrAppend(&members, ",\"ip_bytes_received\":", counts.ip_bytes_received,
                    ",\"ip_bytes_sent\":", counts.ip_bytes_sent);
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
    const char* state = !endpoint.healthy              ? "unhealthy"
                        : endpoint.ejected_until > now ? "ejected"
                        : endpoint.drain               ? "draining"
                                                       : "good";
    list.push_back({{"name", endpoint.name},
                    {"backend", endpoint.backend},
                    {"state", state},
                    {"connections", endpoint.connections},
                    {"dialled", endpoint.leases},
                    {"failed", endpoint.failures}});
  }
  return list.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

void RouteStats::Counts::CountBytes(uint64_t received, uint64_t sent) {
  bytes_received += received;
  bytes_sent += sent;
}

void RouteStats::Counts::CountIpBytes(uint64_t received, uint64_t sent) {
  ip_bytes_received += received;
  ip_bytes_sent += sent;
}

void RouteStats::Counts::Add(const Counts& other) {
  for (size_t i = 0; i < ended.size(); ++i) ended[i] += other.ended[i];
  bytes_received += other.bytes_received;
  bytes_sent += other.bytes_sent;
  ip_bytes_received += other.ip_bytes_received;
  ip_bytes_sent += other.ip_bytes_sent;
}

void RouteStats::Keep(absl::FunctionRef<bool(absl::string_view route)> is_served) {
  for (auto it = routes_.begin(); it != routes_.end();) {
    if (is_served(it->first)) {
      ++it;
      continue;
    }
    removed_.Add(it->second);
    routes_.erase(it++);
  }
}

void RouteStats::Add(const RouteStats& other) {
  for (const auto& [route, counts] : other.routes_) routes_[route].Add(counts);
  unrouted_.Add(other.unrouted_);
  removed_.Add(other.removed_);
}

std::string RouteStats::ToJson(const LiveConfig& live, absl::Time now) const {
  // Names are checked when the configuration is read, so that none needs to be escaped.
  std::vector<std::string> routes;
  for (const auto& route : live.routes()) {
    const auto it = routes_.find(route->settings->name);
    routes.push_back(absl::StrCat("{\"name\":\"", route->settings->name,
                                  "\",\"connections\":", route->state->admission.connections(), ",",
                                  Members(it == routes_.end() ? Counts() : it->second),
                                  ",\"backends\":", BackendsJson(route->backends.get(), now),
                                  DownMember(route->tls.down), "}"));
  }
  return absl::StrCat("{\"routes\":[", absl::StrJoin(routes, ","), "],\"unrouted\":{",
                      Members(unrouted_), "},\"removed\":{", Members(removed_), "}}");
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
