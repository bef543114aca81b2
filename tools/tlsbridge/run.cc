#include "tools/tlsbridge/run.h"

#include <stdio.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "bridge/event/clock.h"
#include "router/handover/predecessor.h"
#include "router/live/live_config.h"
#include "router/live/renewal/file_set.h"
#include "tools/tlsbridge/command_line.h"
#include "tools/tlsbridge/config_file.h"
#include "tools/tlsbridge/named_files.h"
#include "tools/tlsbridge/process_flags.h"
#include "tools/tlsbridge/serve.h"

namespace tlsbridge {
namespace {

constexpr char kUsage[] =
    "Fronts services as configured by a file. When that file or one that it names changes, it is\n"
    "reloaded, as on SIGHUP.\n"
    "\n"
    "  tlsbridge run --config tlsbridge.yaml\n";

// All mistakes, a line each; in the log, where a line is a line, the first few.
absl::Status Refusal(const std::vector<Problem>& problems, size_t most, const char* separator) {
  std::string message;
  for (size_t i = 0; i < std::min(problems.size(), most); ++i) {
    absl::StrAppend(&message, i == 0 ? "" : separator, problems[i].ToString());
  }
  if (problems.size() > most) {
    absl::StrAppend(&message, separator, "and ", problems.size() - most, " more");
  }
  return absl::InvalidArgumentError(message);
}

Reloader::Result Load(const ParsedConfig& parsed, const LiveConfig* previous, const Clock* clock) {
  constexpr size_t kMostInALine = 10;
  if (!parsed.problems.empty()) return Refusal(parsed.problems, kMostInALine, "; ");
  Reloader::Result loaded = LiveConfig::Load(parsed.config, previous, clock);
  if (loaded.ok() || previous != nullptr) return loaded;
  // Not just the first: who starts a program mends all at once.
  const std::vector<Problem> problems = CheckNamedFiles(parsed, *clock).problems;
  if (problems.empty()) return loaded;
  return Refusal(problems, kMostInALine, "; ");
}

// What came through a pipe is gone once it has been read.
Reloader::Source SourceOnce(const std::string& path, ParsedConfig parsed) {
  return [path, parsed = std::move(parsed)](const LiveConfig* previous,
                                            const Clock* clock) -> Reloader::Result {
    if (previous == nullptr) return Load(parsed, previous, clock);
    return absl::FailedPreconditionError(
        absl::StrCat(path,
                     ": is a pipe and cannot be read again; the configuration from the start stays "
                     "in use until a restart"));
  };
}

int Run(const Command::Given& typed) {
  const GivenFlags& given = typed.flags;
  const std::string path = given.Value("config");
  if (path.empty()) {
    return RefuseToStart(
        absl::InvalidArgumentError("--config is missing; for example --config tlsbridge.yaml"));
  }
  const bool once = ComeOnce({path});
  const ParsedConfig first = ReadConfigFile(path);
  ApplyCoreDumpFlag(given);
  if (!first.problems.empty()) {
    const std::vector<Problem> all = AllProblems(first, CheckNamedFiles(first, SystemClock()));
    Predecessor::RefuseFromEnvironment(all.front().ToString());
    for (const Problem& problem : all) fprintf(stderr, "%s\n", problem.ToString().c_str());
    return kExitUsage;
  }
  const LogSettings log = first.config.log;
  if (once) return Serve(SourceOnce(path, first), {}, log, given);
  const auto source = [path](const LiveConfig* previous, const Clock* clock) {
    return Load(ReadConfigFile(path), previous, clock);
  };
  return Serve(source, {path}, log, given);
}

}  // namespace

Command ConfigFileCommand() {
  return {"run",  "several services, configured by a file",      "",
          kUsage, {{"Run", {ConfigFlag()}}, ProcessFlagGroup()}, &Run};
}

}  // namespace tlsbridge
