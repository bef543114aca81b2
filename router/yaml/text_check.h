// What is looked at beside the library, because it would accept it or blame another place.
//
// Thread: any; pure.
#pragma once

#include <optional>

#include "absl/strings/string_view.h"
#include "router/yaml/load.h"

namespace tlsbridge::yaml {

// Size, UTF-8, control characters, and tabs in front of the first word of a line.
std::optional<LoadError> CheckText(absl::string_view text);

// For a text that the library refuses: a ${NAME} without quotes inside { } or [ ], where YAML takes
// its brace for the beginning of a mapping.
std::optional<LoadError> FindBareVariable(absl::string_view text);

}  // namespace tlsbridge::yaml
