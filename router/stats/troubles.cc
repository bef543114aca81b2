#include "router/stats/troubles.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "router/live/renewal/dated_files.h"
#include "router/live/renewal/expiry_watch.h"
#include "router/log/log.h"

namespace tlsbridge {
namespace {

constexpr char kDraining[] = "draining";
constexpr char kRouteDown[] = "route_down";
constexpr char kReloadRefused[] = "reload_refused";
constexpr char kRenewalRefused[] = "renewal_refused";
constexpr char kExpired[] = "expired";
constexpr char kExpiresSoon[] = "expires_soon";
constexpr char kNoGoodBackend[] = "no_good_backend";
constexpr char kBackendUnhealthy[] = "backend_unhealthy";
constexpr char kBackendEjected[] = "backend_ejected";
constexpr char kBackendFailing[] = "backend_failing";
constexpr char kLimitHit[] = "limit_hit";
constexpr char kLogLinesLost[] = "log_lines_lost";
constexpr const char* kKinds[] = {
    kDraining,      kRouteDown,        kReloadRefused,  kRenewalRefused, kExpired,  kExpiresSoon,
    kNoGoodBackend, kBackendUnhealthy, kBackendEjected, kBackendFailing, kLimitHit, kLogLinesLost};

// For how long lines that were lost are news.
constexpr absl::Duration kLossIsNews = absl::Minutes(10);

struct LimitHint {
  TerminationReason reason;
  const char* hint;
};
constexpr LimitHint kLimits[] = {
    {TerminationReason::kGlobalLimit, "raise limits.connections, or add instances"},
    {TerminationReason::kFdLimit, "raise LimitNOFILE (ulimit -Hn): two descriptors a connection"},
    {TerminationReason::kIpLimit,
     "if these clients are honest, raise limits.connections_per_ip; behind a gateway, all clients "
     "share its address"},
    {TerminationReason::kRateLimit,
     "if these clients are honest, raise limits.rate_per_ip_per_minute"},
    {TerminationReason::kRouteLimit, "raise limits.connections of the route"},
    {TerminationReason::kHandshakeLimit,
     "add CPU or instances; ECDSA certificates cost a tenth of RSA ones"},
    {TerminationReason::kIpHandshakeLimit,
     "if these clients are honest, raise limits.handshakes_per_ip"},
};

std::string Date(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d %H:%M", time, absl::UTCTimeZone());
}

void AddReloads(const Service& service, std::vector<Trouble>* all) {
  const ReloadFacts& reloads = service.reloads;
  if (reloads.last_refused) {
    all->push_back({kReloadRefused, "configuration", reloads.refused_since, reloads.refusal,
                    "fix the file; it is reloaded when it changes, and the last valid one is "
                    "served until then"});
  }
  for (const auto& route : service.live->routes()) {
    const std::string& name = route->settings->name;
    if (!route->tls.down.empty()) {
      all->push_back({kRouteDown, name, service.started, route->tls.down,
                      "fix its files; its clients are refused until they are valid"});
    }
    ForEachFileSet(route->tls.files, [&](const FileSetState& set) {
      if (set.problem.empty()) return;
      const std::string files = absl::StrJoin(set.paths, " ");
      const auto since = reloads.files_refused.find(absl::StrCat(name, " ", files));
      all->push_back({kRenewalRefused, absl::StrCat(name, ": ", files),
                      since == reloads.files_refused.end() ? absl::InfinitePast() : since->second,
                      std::string(set.problem),
                      "fix the files; their previous content is served until then"});
    });
  }
}

void AddExpiries(const Service& service, std::vector<Trouble>* all) {
  std::set<std::string> known;  // a file that several routes use is one trouble
  for (const auto& route : service.live->routes()) {
    ForEachDatedFile(*route, service.wall, [&](const DatedFile& file) {
      const absl::Time soon = ExpiryWatch::SoonFor(file);
      if (service.wall < soon) return;
      if (!known.insert(absl::StrCat(file.kind, " ", file.name)).second) return;
      const bool expired = service.wall > file.until;
      all->push_back(
          {expired ? kExpired : kExpiresSoon, absl::StrCat(file.kind, " ", file.name),
           expired ? file.until : soon,
           absl::StrCat(expired ? "expired on " : "expires on ", Date(file.until), " UTC"),
           "renew it; it is reloaded when its file changes"});
    });
  }
}

void AddBackends(const Service& service, std::vector<Trouble>* all) {
  for (const auto& route : service.live->routes()) {
    if (route->backends == nullptr) continue;
    size_t bad = 0;
    size_t wanted = 0;
    absl::Time since = absl::InfinitePast();
    for (const EndpointStatus& endpoint : route->backends->Endpoints(service.common_now)) {
      if (endpoint.drain) continue;
      ++wanted;
      const bool ejected = endpoint.ejected_until > service.common_now;
      if (endpoint.healthy && !ejected && !endpoint.failing) continue;
      ++bad;
      const absl::Time bad_since = service.WallOf(endpoint.since);
      since = std::max(since, bad_since);
      const std::string last =
          endpoint.last_error.empty() ? "" : absl::StrCat("; last error: ", endpoint.last_error);
      const char* const kind = !endpoint.healthy ? kBackendUnhealthy
                               : ejected         ? kBackendEjected
                                                 : kBackendFailing;
      const char* const what = !endpoint.healthy ? "its health checks fail"
                               : ejected ? "ejected: it gets no connections, since too many failed"
                                         : "connections to it fail; it is not ejected, since too "
                                           "few others are left";
      all->push_back({kind, absl::StrCat(route->settings->name, ": ", endpoint.name), bad_since,
                      absl::StrCat(what, last),
                      endpoint.healthy && !ejected
                          ? "check the backend; clients of the route fail meanwhile"
                          : "check the backend; it is used again once it answers"});
    }
    if (wanted > 0 && bad == wanted) {
      all->push_back(
          {kNoGoodBackend, route->settings->name, since,
           wanted == 1
               ? "its only backend is unhealthy, ejected or failing"
               : absl::StrCat("all ", wanted, " backends are unhealthy, ejected or failing"),
           "check the backends; clients of the route fail, or are sent to an unhealthy one"});
    } else if (wanted == 0) {
      all->push_back({kNoGoodBackend, route->settings->name, absl::InfinitePast(),
                      "no backend is left: names have no address, or all are drained",
                      "check the DNS of the names, and drain in the configuration"});
    }
  }
}

void AddLimits(const Service& service, std::vector<Trouble>* all) {
  if (service.failures == nullptr) return;
  for (const LimitHint& limit : kLimits) {
    const RecentFailures::Spell spell = service.failures->SpellOf(limit.reason);
    if (service.wall - spell.last > RecentFailures::kSpellEnds) continue;
    all->push_back(
        {kLimitHit, std::string(TerminationReasonName(limit.reason)), spell.since,
         absl::StrCat(spell.count, spell.count == 1 ? " connection" : " connections", " refused"),
         limit.hint});
  }
}

void AddLog(const Service& service, std::vector<Trouble>* all) {
  if (service.wall - service.lines_lost_at > kLossIsNews) return;
  all->push_back({kLogLinesLost, "log", service.lines_lost_at,
                  absl::StrCat(LogLinesLost(), " lines lost since the start"),
                  "the reader of standard error is too slow, or its disk is full"});
}

// The oldest of each kind, in the order of the kinds.
std::vector<Trouble> Shorten(std::vector<Trouble> all) {
  std::vector<Trouble> few;
  for (const char* const kind : kKinds) {
    std::vector<Trouble> of_kind;
    for (Trouble& trouble : all) {
      if (absl::string_view(trouble.kind) == kind) of_kind.push_back(std::move(trouble));
    }
    std::stable_sort(of_kind.begin(), of_kind.end(),
                     [](const Trouble& a, const Trouble& b) { return a.since < b.since; });
    if (of_kind.size() > kMostTroubles) {
      const size_t more = of_kind.size() - kMostTroubles;
      of_kind.resize(kMostTroubles);
      absl::StrAppend(&of_kind.back().message, "; and ", more, " more of this kind");
    }
    std::move(of_kind.begin(), of_kind.end(), std::back_inserter(few));
  }
  return few;
}

}  // namespace

absl::Span<const char* const> TroubleKinds() { return kKinds; }

std::vector<Trouble> FindTroubles(const Service& service) {
  std::vector<Trouble> all;
  if (service.phase != "serving" && service.phase != "starting") {
    all.push_back({kDraining, "process", service.phase_since,
                   "it was stopped: connections are closed as they become idle",
                   "nothing, if that was intended"});
  }
  AddReloads(service, &all);
  AddExpiries(service, &all);
  AddBackends(service, &all);
  AddLimits(service, &all);
  AddLog(service, &all);
  return Shorten(std::move(all));
}

std::string Verdict(const Service& service, size_t troubles) {
  std::string state = service.ready ? "ready"
                      : service.unready == "draining"
                          ? "draining"
                          : absl::StrCat("not ready: ", service.unready);
  if (troubles == 0) return state;
  return absl::StrCat(state, "; ", troubles, troubles == 1 ? " problem" : " problems");
}

}  // namespace tlsbridge
