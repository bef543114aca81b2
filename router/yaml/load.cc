#include "router/yaml/load.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <optional>
#include <sstream>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "router/yaml/text_check.h"

namespace tlsbridge::yaml {
namespace {

constexpr char kMergeKey[] = "<<";

// Ends the parsing, like the library's own mistakes.
struct Refused : YAML::ParserException {
  using YAML::ParserException::ParserException;
};
[[noreturn]] void Refuse(const YAML::Mark& mark, const std::string& why) {
  throw Refused(mark, why);
}

Mark ToMark(const YAML::Mark& mark) { return {mark.line + 1, mark.column + 1}; }

class TreeBuilder : public YAML::EventHandler {
 public:
  // Null for an empty document.
  NodePtr root() const { return root_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (std::exchange(started_, true)) {
      Refuse(mark, "second YAML document; a configuration is a single document");
    }
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    auto node = std::make_shared<Node>();
    // The library reports what comes next for a value that is not there.
    node->mark =
        open_.empty() || !open_.back().key.has_value() ? ToMark(mark) : open_.back().key_mark;
    Complete(mark, anchor, std::move(node));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    // The library knows the name, but what it names is still open.
    if (found == anchors_.end()) Refuse(mark, "alias inside its own anchor");
    const NodePtr node = found->second;
    Add(mark, node);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    CheckTag(mark, tag);
    auto node = std::make_shared<Node>();
    node->kind = Node::Kind::kScalar;
    node->mark = ToMark(mark);
    node->text = value;
    node->quoted = tag == "!";
    Complete(mark, anchor, std::move(node));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    Open(mark, tag, anchor, Node::Kind::kList);
  }
  void OnSequenceEnd() override { Close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    Open(mark, tag, anchor, Node::Kind::kMap);
  }
  void OnMapEnd() override { Close(); }

 private:
  struct Unfinished {
    std::shared_ptr<Node> node;
    YAML::Mark mark;
    YAML::anchor_t anchor = YAML::NullAnchor;
    std::optional<std::string> key;  // of a map, when its value comes next
    Mark key_mark;
    bool key_quoted = false;
    std::vector<NodePtr> merged;
  };

  static void CheckTag(const YAML::Mark& mark, const std::string& tag) {
    // "?" is a plain scalar or collection, "!" a quoted scalar.
    if (tag.empty() || tag == "?" || tag == "!") return;
    Refuse(mark, "YAML tags are not supported; remove it");
  }

  void Open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
            Node::Kind kind) {
    CheckTag(mark, tag);
    if (open_.size() >= kMaxDepth) {
      Refuse(mark, absl::StrCat("nested too deeply; ", kMaxDepth, " levels are allowed"));
    }
    Unfinished unfinished;
    unfinished.node = std::make_shared<Node>();
    unfinished.node->kind = kind;
    unfinished.node->mark = ToMark(mark);
    unfinished.mark = mark;
    unfinished.anchor = anchor;
    open_.push_back(std::move(unfinished));
  }

  void Close() {
    Unfinished closed = std::move(open_.back());
    open_.pop_back();
    if (!closed.merged.empty()) Merge(closed.mark, closed.merged, closed.node.get());
    Complete(closed.mark, closed.anchor, std::move(closed.node));
  }

  // What the map has already, itself or from an earlier one, stays.
  static void Merge(const YAML::Mark& mark, const std::vector<NodePtr>& others, Node* into) {
    absl::flat_hash_set<std::string> present;
    for (const Node::Entry& entry : into->entries) present.insert(entry.key);
    for (const NodePtr& other : others) {
      for (const Node::Entry& entry : other->entries) {
        if (!present.insert(entry.key).second) continue;
        into->entries.push_back(entry);
        Count(mark, *entry.value, into);
      }
    }
  }

  static void Count(const YAML::Mark& mark, const Node& child, Node* parent) {
    parent->size += child.size;
    if (parent->size > kMaxNodes) {
      Refuse(mark, absl::StrCat("too large: it holds more than ", kMaxNodes,
                                " values once its aliases are followed"));
    }
  }

  void Complete(const YAML::Mark& mark, YAML::anchor_t anchor, std::shared_ptr<const Node> node) {
    if (anchor != YAML::NullAnchor) anchors_[anchor] = node;
    Add(mark, std::move(node));
  }

  void Add(const YAML::Mark& mark, NodePtr node) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Unfinished& top = open_.back();
    if (top.node->kind == Node::Kind::kList) {
      Count(mark, *node, top.node.get());
      top.node->items.push_back(std::move(node));
      return;
    }
    if (!top.key.has_value()) {
      if (node->kind != Node::Kind::kScalar) Refuse(mark, "a key must be a single word");
      top.key = node->text;
      top.key_quoted = node->quoted;
      top.key_mark = ToMark(mark);
      return;
    }
    if (*top.key == kMergeKey && !top.key_quoted) {
      AddMerge(mark, node, &top);
    } else {
      Count(mark, *node, top.node.get());
      top.node->entries.push_back({*std::move(top.key), top.key_mark, std::move(node)});
    }
    top.key.reset();
  }

  static void AddMerge(const YAML::Mark& mark, const NodePtr& node, Unfinished* map) {
    if (node->kind == Node::Kind::kMap) {
      map->merged.push_back(node);
      return;
    }
    for (const NodePtr& item : node->items) {
      if (item->kind != Node::Kind::kMap) Refuse(mark, "'<<' takes a mapping or a list of them");
      map->merged.push_back(item);
    }
    if (node->items.empty()) Refuse(mark, "'<<' takes a mapping or a list of them");
  }

  bool started_ = false;
  NodePtr root_;
  std::vector<Unfinished> open_;
  absl::flat_hash_map<YAML::anchor_t, NodePtr> anchors_;
};

}  // namespace

std::variant<NodePtr, LoadError> Load(absl::string_view text) {
  if (std::optional<LoadError> error = CheckText(text)) return *std::move(error);
  std::istringstream input{std::string(text)};
  TreeBuilder builder;
  try {
    YAML::Parser parser(input);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Refused& e) {
    return LoadError{ToMark(e.mark), e.msg};
  } catch (const YAML::Exception& e) {
    if (std::optional<LoadError> variable = FindBareVariable(text)) return *std::move(variable);
    return LoadError{e.mark.is_null() ? Mark() : ToMark(e.mark),
                     absl::StrCat("invalid YAML: ", e.msg)};
  } catch (const std::exception& e) {
    return LoadError{Mark(), absl::StrCat("invalid YAML: ", e.what())};
  }
  if (builder.root() == nullptr || builder.root()->kind == Node::Kind::kNull) {
    return LoadError{Mark(), "the file is empty; it needs 'listeners' and 'routes'"};
  }
  return builder.root();
}

}  // namespace tlsbridge::yaml
