#include "router/live/renewal/renewal_log.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "router/live/tls_warnings.h"
#include "router/log/few_lines.h"
#include "router/log/log.h"

namespace tlsbridge {
namespace {

class Lines : public FewLines {
 public:
  using FewLines::FewLines;
  void Tell(const LiveRoute& route, absl::string_view key, absl::string_view text) {
    FewLines::Tell(
        [&](LogEvent& event) { event.Text("route", route.settings->name).Text(key, text); });
  }
};

std::string NamesOf(const FileSetState& set) { return absl::StrJoin(set.paths, " "); }

}  // namespace

void LogRoutesDown(const LiveConfig* before, const LiveConfig& after, TellProblems which) {
  Lines down(LogLevel::kError, "route_down");
  Lines up(LogLevel::kInfo, "route_up");
  for (const auto& route : after.routes()) {
    const LiveRoute* const old =
        before == nullptr ? nullptr : before->ByName(route->settings->name);
    const std::string was = old == nullptr ? "" : old->tls.down;
    const std::string& is = route->tls.down;
    if (!is.empty() && (which == TellProblems::kAll || is != was)) {
      down.Tell(*route, "message",
                absl::StrCat(is, "; clients of this route are refused until its files are valid"));
    } else if (is.empty() && !was.empty()) {
      up.Tell(*route, "message", "its files are valid now; clients are served");
    }
  }
}

RenewalCounts LogRenewals(const LiveConfig& before, const LiveConfig& after, TellProblems which) {
  RenewalCounts counts;
  LogRoutesDown(&before, after, which);
  Lines refusals(LogLevel::kError, "renewal_refused");
  Lines renewals(LogLevel::kInfo, "renewed");
  for (const auto& route : after.routes()) {
    const LiveRoute* const old = before.ByName(route->settings->name);
    if (old == nullptr) continue;
    absl::flat_hash_map<std::string, FileSetState> states;
    const auto key = [](const FileSetState& set) { return absl::StrCat(set.what, NamesOf(set)); };
    ForEachFileSet(old->tls.files, [&](const FileSetState& set) { states.emplace(key(set), set); });
    ForEachFileSet(route->tls.files, [&](const FileSetState& set) {
      const auto found = states.find(key(set));
      if (found == states.end()) return;  // the configuration's change is told of
      const FileSetState& was = found->second;
      if (!set.problem.empty()) {
        if (set.problem != was.problem) ++counts.refused;
        if (which == TellProblems::kNew && set.problem == was.problem) return;
        refusals.Tell(*route, "message", set.problem);
      } else if (set.digest != was.digest || !was.problem.empty()) {
        ++counts.taken;
        renewals.Tell(*route, "files", NamesOf(set));
      }
    });
  }
  return counts;
}

RefusedSince FilesRefused(const LiveConfig& live, const RefusedSince& before, absl::Time now) {
  RefusedSince refused;
  for (const auto& route : live.routes()) {
    ForEachFileSet(route->tls.files, [&](const FileSetState& set) {
      if (set.problem.empty()) return;
      std::string key = absl::StrCat(route->settings->name, " ", NamesOf(set));
      const auto known = before.find(key);
      refused.emplace(std::move(key), known == before.end() ? now : known->second);
    });
  }
  return refused;
}

void LogTlsWarnings(const LiveConfig& live, const LiveConfig* before) {
  Lines warnings(LogLevel::kWarning, "tls_warning");
  for (const auto& route : live.routes()) {
    absl::flat_hash_set<std::string> known;
    if (before != nullptr) {
      const LiveRoute* const old = before->ByName(route->settings->name);
      if (old == route.get()) continue;
      if (old != nullptr) {
        for (const RouteFinding& it : TlsWarnings(*old->settings, old->tls)) {
          known.insert(it.message);
        }
      }
    }
    for (const RouteFinding& warning : TlsWarnings(*route->settings, route->tls)) {
      if (!known.contains(warning.message)) warnings.Tell(*route, "message", warning.message);
    }
  }
}

}  // namespace tlsbridge
