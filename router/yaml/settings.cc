#include "router/yaml/settings.h"

#include <map>
#include <memory>
#include <utility>

#include "absl/strings/numbers.h"
#include "router/yaml/read_config.h"

namespace tlsbridge {
namespace {

using yaml::Node;

// A tree that grows by paths. Keys and indices are both names here; an index is a number.
struct Branch {
  std::map<std::string, Branch> keys;
  std::map<size_t, Branch> items;
  std::string value;
  int first = 0;  // the number of the setting that it began with

  Branch* Down(absl::string_view* path) {
    const bool is_item = path->front() == '[';
    const size_t end = is_item ? path->find(']') : path->find_first_of(".[");
    const absl::string_view name = path->substr(is_item ? 1 : 0, is_item ? end - 1 : end);
    size_t index = 0;
    Branch* const next =
        is_item && absl::SimpleAtoi(name, &index) ? &items[index] : &keys[std::string(name)];
    *path = end == absl::string_view::npos ? "" : path->substr(is_item ? end + 1 : end);
    if (!path->empty() && path->front() == '.') path->remove_prefix(1);
    return next;
  }

  yaml::NodePtr ToNode() const {
    auto node = std::make_shared<Node>();
    node->mark = {first, 1};
    if (!keys.empty()) {
      node->kind = Node::Kind::kMap;
      for (const auto& [key, branch] : keys) {
        node->entries.push_back({key, {branch.first, 1}, branch.ToNode()});
      }
    } else if (!items.empty()) {
      node->kind = Node::Kind::kList;
      for (const auto& [index, branch] : items) node->items.push_back(branch.ToNode());
    } else {
      node->kind = Node::Kind::kScalar;
      node->text = value;
    }
    return node;
  }
};

}  // namespace

ParsedConfig ParseSettings(absl::Span<const Setting> settings, Environment environment,
                           Naming naming) {
  Branch root;
  int number = 0;
  for (const Setting& setting : settings) {
    ++number;
    Branch* branch = &root;
    for (absl::string_view rest = setting.path; !rest.empty();) {
      branch = branch->Down(&rest);
      if (branch->first == 0) branch->first = number;
    }
    branch->value = setting.value;
  }
  root.first = 1;
  yaml::Reading reading("", environment, std::move(naming));
  return yaml::ReadConfig(root.keys.empty() ? nullptr : root.ToNode(), &reading);
}

}  // namespace tlsbridge
