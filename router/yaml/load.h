// YAML text to a tree. The only place that knows the library, and that it throws.
//
// Bounded, so that no file can hang the program or eat its memory: size, depth, and the number of
// nodes once aliases are followed. Refused are several documents, tags, keys that are no scalars,
// tabs in the indentation, and what is not UTF-8.
//
// Thread: any; pure. Failure: the first mistake; behind it the text cannot be trusted.
#pragma once

#include <string>
#include <variant>

#include "absl/strings/string_view.h"
#include "router/yaml/node.h"

namespace tlsbridge::yaml {

constexpr size_t kMaxFileBytes = size_t{1} << 20;
constexpr size_t kMaxDepth = 32;
constexpr size_t kMaxNodes = 100000;

struct LoadError {
  Mark mark;
  std::string message;
};

std::variant<NodePtr, LoadError> Load(absl::string_view text);

}  // namespace tlsbridge::yaml
