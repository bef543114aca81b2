// A configuration from single settings, such as a command line's: the same keys, bounds, checks and
// messages as a file's.
//
// Thread: any; pure but for what `environment` does. Failure: as ParseConfig(). A problem's line is
// the number of the setting that it is in, from 1, or of the first of those in a mapping.
#pragma once

#include <functional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "router/yaml/parse_config.h"

namespace tlsbridge {

struct Setting {
  std::string path;  // "routes[0].tls.alpn[1]"; the items of a list without gaps
  std::string value;
};

// How messages name a key and its value: "--keep-alive=extended" for
// "routes[0].keep_alive.treatment" and "extended". The value may be empty.
using Naming = std::function<std::string(absl::string_view path, absl::string_view value)>;

ParsedConfig ParseSettings(absl::Span<const Setting> settings, Environment environment,
                           Naming naming);

}  // namespace tlsbridge
