#include "tools/tlsbridge/check.h"

#include <stdio.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bridge/event/clock.h"
#include "router/config/kernel_reach.h"
#include "router/kernel/config_rules.h"
#include "router/yaml/describe.h"
#include "tools/tlsbridge/config_file.h"
#include "tools/tlsbridge/core_dumps.h"
#include "tools/tlsbridge/exit_codes.h"
#include "tools/tlsbridge/named_files.h"

namespace tlsbridge {
namespace {

constexpr char kUsage[] =
    "Reports every error in a configuration file, and in the certificates, keys and other files "
    "that it\n"
    "names, with its position; and warns of what looks wrong. Nothing is started.\n"
    "\n"
    "  tlsbridge check --config tlsbridge.yaml\n";

int Refuse(absl::string_view why) { return RefuseToStart(absl::InvalidArgumentError(why)); }

std::string Counted(size_t count, absl::string_view thing) {
  return absl::StrCat(count, " ", thing, count == 1 ? "" : "s");
}

int PrintKernelRules(const ParsedConfig& parsed) {
  if (!KernelForwardsAny(parsed.config)) {
    return Refuse(absl::StrCat(
        parsed.file,
        ": no route has forwarding_engine: nftables, so there are no kernel rules to print"));
  }
  fputs(kernel::ConfigRulesText(parsed.config).c_str(), stdout);
  return kExitOk;
}

int Check(const std::string& path, bool kernel_rules) {
  ForbidCoreDumps();
  const ParsedConfig parsed = ReadConfigFile(path);
  const FileFindings files = CheckNamedFiles(parsed, SystemClock());
  const std::vector<Problem> problems = AllProblems(parsed, files);
  for (const Problem& problem : problems) fprintf(stderr, "%s\n", problem.ToString().c_str());
  for (const Problem& warning : files.warnings) {
    fprintf(stderr, "%s\n", warning.ToString("warning: ").c_str());
  }
  if (!problems.empty()) return kExitUsage;
  if (kernel_rules) return PrintKernelRules(parsed);
  size_t backends = 0;
  size_t certificates = 0;
  for (const Route& route : parsed.config.routes) {
    backends += route.backends.size();
    certificates += route.tls.certificates.size();
  }
  printf("ok: %s, %s, %s, %s\n", Counted(parsed.config.listeners.size(), "listener").c_str(),
         Counted(parsed.config.routes.size(), "route").c_str(),
         Counted(backends, "backend").c_str(), Counted(certificates, "certificate").c_str());
  return kExitOk;
}

int Run(const Command::Given& given) {
  const std::string path = given.flags.Value("config");
  const bool kernel_rules = given.flags.IsOn("kernel-rules", false);
  const bool schema = given.flags.IsOn("json-schema", false);
  const bool reference = given.flags.IsOn("reference", false);
  const int wanted = (path.empty() ? 0 : 1) + (schema ? 1 : 0) + (reference ? 1 : 0);
  if (wanted != 1) {
    return Refuse("check needs one of --config FILE, --json-schema and --reference");
  }
  if (kernel_rules && path.empty()) return Refuse("--kernel-rules needs --config FILE");
  if (schema) fputs(ConfigJsonSchema().c_str(), stdout);
  if (reference) fputs(ConfigReference().c_str(), stdout);
  return path.empty() ? kExitOk : Check(path, kernel_rules);
}

}  // namespace

Command CheckCommand() {
  return {
      "check",
      "reports every error in a configuration file; prints its reference",
      "",
      kUsage,
      {{"Check",
        {ConfigFlag(),
         {"kernel-rules",
          "With --config: print the kernel's rules for routes with forwarding_engine: nftables, as "
          "nft -c -f - accepts them.",
          "", Flag::Kind::kSwitch},
         {"json-schema", "Print a JSON Schema of the file, for editors.", "", Flag::Kind::kSwitch},
         {"reference",
          "Print a reference of the file in Markdown: every key, its type and default.", "",
          Flag::Kind::kSwitch}}}},
      &Run};
}

}  // namespace tlsbridge
