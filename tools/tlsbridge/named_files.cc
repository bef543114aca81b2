#include "tools/tlsbridge/named_files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace tlsbridge {
namespace {

// 0, or the errno. A pipe without a writer is not waited for.
int ErrorOfOpening(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return errno;
  struct stat info;
  const bool is_folder = fstat(fd, &info) == 0 && S_ISDIR(info.st_mode);
  close(fd);
  return is_folder ? EISDIR : 0;
}

// Where the part names the file that the message begins with; else where the part is.
Problem At(const ParsedConfig& parsed, const std::string& path, const std::string& message) {
  for (const NamedFile& named : parsed.files) {
    if (!absl::StartsWith(named.where.path, path + ".")) continue;
    if (!absl::StartsWith(message, named.file + ":") &&
        !absl::StartsWith(message, named.file + ", ")) {
      continue;
    }
    Problem found = named.where;
    found.message = message;
    return found;
  }
  return parsed.At(path, message);
}

}  // namespace

FileFindings CheckNamedFiles(const ParsedConfig& parsed, const Clock& clock) {
  FileFindings all;
  yaml::Positions positions = parsed.positions;
  for (const NamedFile& named : parsed.files) {
    const int error = ErrorOfOpening(named.file);
    if (error == 0) continue;
    Problem& problem = all.problems.emplace_back(named.where);
    problem.message = absl::StrCat("cannot read ", named.file, ": ", strerror(error));
    positions.NoteUnsound(problem.path);
  }
  for (size_t i = 0; i < parsed.config.routes.size(); ++i) {
    const std::string route = absl::StrCat("routes[", i, "].");
    const auto is_sound = [&](absl::string_view part) {
      return positions.Sound(absl::StrCat(route, part));
    };
    RouteFindings findings = CheckRouteFiles(parsed.config.routes[i], is_sound, ClocksOf(&clock));
    for (const RouteFinding& problem : findings.problems) {
      all.problems.push_back(At(parsed, route + problem.part, problem.message));
    }
    for (const RouteFinding& warning : findings.warnings) {
      all.warnings.push_back(At(parsed, route + warning.part, warning.message));
    }
    all.tls.push_back(std::move(findings.tls));
  }
  SortByPosition(&all.problems);
  SortByPosition(&all.warnings);
  return all;
}

std::vector<Problem> AllProblems(const ParsedConfig& parsed, const FileFindings& files) {
  std::vector<Problem> all = parsed.problems;
  all.insert(all.end(), files.problems.begin(), files.problems.end());
  SortByPosition(&all);
  return all;
}

}  // namespace tlsbridge
