#include "tools/tlsbridge/sidecar_flags.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tools/tlsbridge/process_flags.h"

namespace tlsbridge {
namespace {

struct Needed {
  const char* flag;
  const char* example;
};
constexpr Needed kNeeded[] = {{"listen", "0.0.0.0:8443"},
                              {"backend", "127.0.0.1:8080"},
                              {"cert", "tls.crt"},
                              {"key", "tls.key"}};

}  // namespace

std::vector<FlagGroup> SidecarFlagGroups() {
  std::vector<FlagGroup> groups = ServiceFlagGroups();
  groups.push_back(ProcessFlagGroup());
  return groups;
}

FlagConfig SidecarConfig(const GivenFlags& given) {
  FlagConfig config = ConfigOf(given, {{"routes[0].name", "sidecar"}});
  std::vector<std::string> missing;
  for (const auto& [flag, example] : kNeeded) {
    if (given.Has(flag)) continue;
    missing.push_back(absl::StrCat("--", flag, " is missing; for example --", flag, " ", example));
  }
  config.problems.insert(config.problems.begin(), missing.begin(), missing.end());
  return config;
}

}  // namespace tlsbridge
