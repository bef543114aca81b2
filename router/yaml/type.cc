#include "router/yaml/type.h"

namespace tlsbridge::yaml {

absl::string_view KindName(const Node& node) {
  switch (node.kind) {
    case Node::Kind::kNull:
      return "nothing";
    case Node::Kind::kScalar:
      return node.quoted ? "a text in quotes" : "a single value";
    case Node::Kind::kList:
      return "a list";
    case Node::Kind::kMap:
      break;
  }
  return "a mapping of keys";
}

std::string WriteInstead(absl::string_view meant) {
  return meant.empty() ? "" : absl::StrCat("; write ", meant);
}

}  // namespace tlsbridge::yaml
