// A configuration file to plain values: every mistake in it is found at once, with its position and
// with what is allowed.
//
// Nothing is opened, loaded or looked up. The keys are those of keys.cc.
//
// Thread: any; pure but for what `environment` does. Failure: `problems` is not empty, and `config`
// is not to be used but for what is sound in it, to be judged.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "router/config/config.h"
#include "router/yaml/positions.h"
#include "router/yaml/problem.h"

namespace tlsbridge {

// The value of a variable, if it is set.
using Environment = absl::FunctionRef<std::optional<std::string>(absl::string_view name)>;

// A file that the configuration names, so that its absence can be reported where it is named.
struct NamedFile {
  std::string file;  // relative to the working folder, as in the Config
  Problem where;     // with an empty message
};

struct ParsedConfig {
  Config config;
  std::vector<Problem> problems;  // by position
  std::vector<NamedFile> files;
  std::string file;  // the configuration's own
  yaml::Positions positions;

  // Of what stands at `path`, or of what it would be in.
  Problem At(absl::string_view path, absl::string_view message) const;
};

// `file_name` is quoted in problems, and relative paths start in its folder.
ParsedConfig ParseConfig(absl::string_view text, absl::string_view file_name,
                         Environment environment);

}  // namespace tlsbridge
