#include "router/yaml/positions.h"

namespace tlsbridge::yaml {
namespace {

// "a.b[1]" -> "a.b" -> "a" -> "".
absl::string_view ParentPath(absl::string_view path) {
  const size_t end = path.find_last_of(".[");
  return end == absl::string_view::npos ? absl::string_view() : path.substr(0, end);
}

}  // namespace

Mark Positions::Of(absl::string_view path) const {
  for (;; path = ParentPath(path)) {
    const auto found = marks_.find(path);
    if (found != marks_.end()) return found->second;
    if (path.empty()) return {};
  }
}

void Positions::NoteUnsound(absl::string_view path) {
  for (; !path.empty(); path = ParentPath(path)) unsound_.insert(std::string(path));
}

}  // namespace tlsbridge::yaml
