// A configuration file: whatever it holds, it is read or refused with positions, a line each, and
// the same way each time.

#include <stdint.h>

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "router/yaml/parse_config.h"
#include "tests/fuzz/fuzz_check.h"

namespace {

std::optional<std::string> Environment(absl::string_view name) {
  if (name.size() % 2 == 0) return std::nullopt;
  return std::string(name);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const tlsbridge::ParsedConfig parsed = tlsbridge::ParseConfig(text, "fuzz.yaml", Environment);
  for (const tlsbridge::Problem& problem : parsed.problems) {
    FUZZ_CHECK(problem.line >= 1);
    FUZZ_CHECK(problem.column >= 1);
    FUZZ_CHECK(problem.ToString().find('\n') == std::string::npos);
  }
  if (parsed.problems.empty()) FUZZ_CHECK(!parsed.config.routes.empty());
  const tlsbridge::ParsedConfig again = tlsbridge::ParseConfig(text, "fuzz.yaml", Environment);
  FUZZ_CHECK(again.problems.size() == parsed.problems.size());
  if (parsed.problems.empty()) FUZZ_CHECK(again.config == parsed.config);
  return 0;
}
