#include "tools/tlsbridge/named_files.h"

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "router/credentials.h"

namespace tlsbridge {
namespace {

// Where a message's file is named: it begins with that. What is wrong with a route as a whole is
// told at the first file that it names.
Problem At(const ParsedConfig& parsed, size_t route, absl::string_view message) {
  const std::string prefix = absl::StrCat("routes[", route, "].");
  const NamedFile* first = nullptr;
  for (const NamedFile& named : parsed.files) {
    if (!absl::StartsWith(named.where.path, prefix)) continue;
    if (first == nullptr) first = &named;
    if (!absl::StartsWith(message, absl::StrCat(named.file, ":"))) continue;
    Problem found = named.where;
    found.message = std::string(message);
    return found;
  }
  Problem found;
  if (first != nullptr) found = first->where;
  found.path = absl::StrCat("routes[", route, "]");
  found.message = std::string(message);
  return found;
}

}  // namespace

NamedFilesReport ReadNamedFiles(const ParsedConfig& parsed, const Clock& clock) {
  NamedFilesReport report;
  const auto wall_clock = [&clock] { return clock.Wall(); };
  const std::vector<Route>& routes = parsed.config.routes;
  for (size_t i = 0; i < routes.size(); ++i) {
    for (const absl::Status& status : ProblemsOf(routes[i], wall_clock)) {
      report.problems.push_back(At(parsed, i, status.message()));
    }
  }
  SortByPosition(&report.problems);
  if (!report.problems.empty()) return report;
  for (const Route& route : routes) {
    const auto loaded = LoadRouteTls(route, nullptr, Reread::kAll, wall_clock);
    if (!loaded.ok()) continue;  // has become bad since
    for (const std::string& warning : loaded->Warnings()) {
      report.warnings.push_back(absl::StrCat("route ", route.name, ": ", warning));
    }
  }
  return report;
}

}  // namespace tlsbridge
