#include "router/yaml/parse_config.h"

#include <utility>
#include <variant>

#include "router/yaml/checks.h"
#include "router/yaml/keys.h"
#include "router/yaml/load.h"
#include "router/yaml/read_config.h"
#include "router/yaml/reading.h"

namespace tlsbridge {

ParsedConfig ParseConfig(absl::string_view text, absl::string_view file_name,
                         Environment environment) {
  yaml::Reading reading(file_name, environment);
  const auto loaded = yaml::Load(text);
  if (const auto* error = std::get_if<yaml::LoadError>(&loaded)) {
    reading.Add(error->mark, "", error->message);
    return yaml::ReadConfig(nullptr, &reading);
  }
  return yaml::ReadConfig(std::get<yaml::NodePtr>(loaded), &reading);
}

ParsedConfig yaml::ReadConfig(const NodePtr& root, Reading* reading) {
  ParsedConfig parsed;
  if (root != nullptr) {
    ConfigKeys().Read(*root, "", reading, &parsed.config);
    CheckConfig(parsed.config, reading);
  }
  parsed.problems = reading->TakeProblems();
  parsed.files = reading->TakeFiles();
  parsed.positions = reading->TakePositions();
  parsed.file = reading->file_name();
  return parsed;
}

Problem ParsedConfig::At(absl::string_view path, absl::string_view message) const {
  const yaml::Mark mark = positions.Of(path);
  return {file, mark.line, mark.column, std::string(path), std::string(message)};
}

}  // namespace tlsbridge
