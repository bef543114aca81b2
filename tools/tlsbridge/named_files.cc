#include "tools/tlsbridge/named_files.h"

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "router/live/credentials.h"
#include "router/live/tls_warnings.h"

namespace tlsbridge {
namespace {

// Where the part names the file that the message begins with, or else its first file.
Problem At(const ParsedConfig& parsed, size_t route, const RouteProblem& problem) {
  const absl::string_view message = problem.status.message();
  const std::string path =
      absl::StrCat("routes[", route, "]", problem.part.empty() ? "" : ".", problem.part);
  const NamedFile* first = nullptr;
  for (const NamedFile& named : parsed.files) {
    if (!absl::StartsWith(named.where.path, path + ".")) continue;
    if (first == nullptr) first = &named;
    if (!absl::StartsWith(message, absl::StrCat(named.file, ":"))) continue;
    Problem found = named.where;
    found.message = std::string(message);
    return found;
  }
  Problem found;
  if (first != nullptr) found = first->where;
  found.path = path;
  found.message = std::string(message);
  return found;
}

}  // namespace

NamedFilesReport ReadNamedFiles(const ParsedConfig& parsed, const Clock& clock) {
  NamedFilesReport report;
  const tls::TicketSecrets::Clocks clocks = ClocksOf(&clock);
  const std::vector<Route>& routes = parsed.config.routes;
  for (size_t i = 0; i < routes.size(); ++i) {
    const auto loaded = LoadRouteTls(routes[i], /*served=*/nullptr, Reread::kAll, clocks);
    if (!loaded.ok()) {
      for (const RouteProblem& problem : ProblemsOf(routes[i], loaded.status(), clocks)) {
        report.problems.push_back(At(parsed, i, problem));
      }
      continue;
    }
    for (const std::string& warning : TlsWarnings(routes[i], *loaded)) {
      report.warnings.push_back(absl::StrCat("route ", routes[i].name, ": ", warning));
    }
  }
  SortByPosition(&report.problems);
  if (!report.problems.empty()) report.warnings.clear();
  return report;
}

}  // namespace tlsbridge
