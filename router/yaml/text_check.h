// What is looked at before the text is taken for YAML, because the library would accept it or blame
// another place.
//
// Thread: any; pure.
#pragma once

#include <optional>

#include "absl/strings/string_view.h"
#include "router/yaml/load.h"

namespace tlsbridge::yaml {

// Size, UTF-8, control characters, and tabs in front of the first word of a line.
std::optional<LoadError> CheckText(absl::string_view text);

}  // namespace tlsbridge::yaml
