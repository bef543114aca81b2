#include "router/renewal/renewal_log.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_join.h"
#include "router/log/log.h"

namespace tlsbridge {
namespace {

constexpr int kMostLines = 100;

std::string KeyOf(const FileSetState& set) { return absl::StrJoin(set.paths, " "); }

}  // namespace

void LogRenewals(const LiveConfig& before, const LiveConfig& after, TellProblems which) {
  int lines = 0;
  int more = 0;
  for (const LiveRoute& route : after.routes()) {
    const LiveRoute* const old = before.ByName(route.settings->name);
    if (old == nullptr) continue;
    absl::flat_hash_map<std::string, FileSetState> states;
    ForEachFileSet(old->tls, [&](const FileSetState& set) { states.emplace(KeyOf(set), set); });
    ForEachFileSet(route.tls, [&](const FileSetState& set) {
      const auto was = states.find(KeyOf(set));
      if (was == states.end()) return;  // the configuration's change is told of
      const bool refused = !set.problem.empty() &&
                           (which == TellProblems::kAll || set.problem != was->second.problem);
      const bool renewed = set.problem.empty() && set.stamp != was->second.stamp;
      if (!refused && !renewed) return;
      if (++lines > kMostLines) {
        ++more;
      } else if (refused) {
        LogEvent(LogLevel::kError, "renewal_refused")
            .Text("route", route.settings->name)
            .Text("message", set.problem);
      } else {
        LogEvent(LogLevel::kInfo, "renewed")
            .Text("route", route.settings->name)
            .Text("files", KeyOf(set));
      }
    });
  }
  if (more > 0) LogEvent(LogLevel::kInfo, "renewed").Number("more", more);
}

void LogTlsWarnings(const LiveConfig& live, const LiveConfig* before) {
  for (const LiveRoute& route : live.routes()) {
    std::vector<std::string> known;
    if (before != nullptr) {
      const LiveRoute* const old = before->ByName(route.settings->name);
      if (old != nullptr) known = old->tls.Warnings();
    }
    for (const std::string& warning : route.tls.Warnings()) {
      if (std::find(known.begin(), known.end(), warning) != known.end()) continue;
      LogEvent(LogLevel::kWarning, "tls_warning")
          .Text("route", route.settings->name)
          .Text("message", warning);
    }
  }
}

}  // namespace tlsbridge
