// What a key's value may be: reads it, and tells a person and an editor what is allowed.
//
// Thread: any; immutable. Owner: shared, by the keys. Failure: Read() adds to the problems.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"
#include "router/yaml/node.h"
#include "router/yaml/reading.h"

namespace tlsbridge::yaml {

using Json = nlohmann::ordered_json;

constexpr size_t kLongestText = 4096;

// "a list", "a mapping of keys", ...
absl::string_view KindName(const Node& node);

// "; write x", or nothing for nothing.
std::string WriteInstead(absl::string_view meant);

class ObjectType;

// Without its C++ type, for tables of keys.
class Type {
 public:
  virtual ~Type() = default;

  // `target` is left as it was if the value is wrong.
  virtual void Read(const Node& node, const std::string& path, Reading* reading,
                    void* target) const = 0;
  // "duration, 1ms or more"
  virtual std::string Describe() const = 0;
  virtual Json Schema() const = 0;
  // As the file would have it; null for nothing.
  virtual Json Write(const void* value) const = 0;
  // Of the type itself or of a list's items, if they have keys.
  virtual const ObjectType* object() const { return nullptr; }
  // What a value in its place was probably meant to be; empty for none.
  virtual std::string MeantBy(const Node& /*node*/) const { return ""; }
  virtual bool is_list() const { return false; }
};

template <class T>
class TypeOf : public Type {
 public:
  void Read(const Node& node, const std::string& path, Reading* reading, void* target) const final {
    ReadInto(node, path, reading, static_cast<T*>(target));
  }
  Json Write(const void* value) const final { return WriteFrom(*static_cast<const T*>(value)); }

 protected:
  virtual void ReadInto(const Node& node, const std::string& path, Reading* reading,
                        T* target) const = 0;
  virtual Json WriteFrom(const T& value) const = 0;
};

template <class T>
using TypePtr = std::shared_ptr<const TypeOf<T>>;

// One word of the file.
template <class T>
class ScalarType : public TypeOf<T> {
 public:
  struct Options {
    std::string name;     // "duration"
    std::string allowed;  // "1ms or more"; may be empty
    std::string hint;     // only for who got it wrong: "such as 30s, 5m or 1h30m"
    Json schema;
    bool plain = false;  // may not be in quotes
    // An empty message stands for "expected <description>".
    std::function<absl::StatusOr<T>(const std::string&)> parse;
    std::function<Json(const T&)> write;
  };

  explicit ScalarType(Options options) : options_(std::move(options)) {}

  std::string Describe() const override {
    return absl::StrCat(options_.name, options_.allowed.empty() ? "" : ", ", options_.allowed);
  }
  Json Schema() const override { return options_.schema; }

 protected:
  void ReadInto(const Node& node, const std::string& path, Reading* reading,
                T* target) const override {
    if (node.kind != Node::Kind::kScalar || (options_.plain && node.quoted)) {
      reading->Add(node.mark, path,
                   absl::StrCat("expected ", Expected(), ", not ", KindName(node)));
      return;
    }
    if (node.text.size() > kLongestText) {
      reading->Add(
          node.mark, path,
          absl::StrCat("too long: ", node.text.size(), " bytes; ", kLongestText, " are allowed"));
      return;
    }
    absl::StatusOr<T> value = options_.parse(node.text);
    if (value.ok()) {
      *target = *std::move(value);
    } else if (value.status().message().empty()) {
      reading->Add(node.mark, path,
                   absl::StrCat(Quoted(node.text), " is not allowed; expected ", Expected()));
    } else {
      reading->Add(node.mark, path, value.status().message());
    }
  }
  Json WriteFrom(const T& value) const override { return options_.write(value); }

 private:
  std::string Expected() const {
    return absl::StrCat(Describe(), options_.hint.empty() ? "" : ", ", options_.hint);
  }

  const Options options_;
};

template <class T>
class ListType : public TypeOf<std::vector<T>> {
 public:
  ListType(TypePtr<T> item, size_t least) : item_(std::move(item)), least_(least) {}

  std::string Describe() const override { return absl::StrCat("list of ", item_->Describe()); }
  Json Schema() const override {
    Json schema = {{"type", "array"}, {"items", item_->Schema()}};
    if (least_ > 0) schema["minItems"] = least_;
    return schema;
  }
  const ObjectType* object() const override { return item_->object(); }
  bool is_list() const override { return true; }
  std::string MeantBy(const Node& node) const override {
    const std::string item = item_->MeantBy(node);
    return item.empty() ? "" : absl::StrCat("[", item, "]");
  }

 protected:
  void ReadInto(const Node& node, const std::string& path, Reading* reading,
                std::vector<T>* target) const override {
    if (node.kind != Node::Kind::kList) {
      reading->Add(node.mark, path,
                   absl::StrCat("expected ", Describe(), ", not ", KindName(node),
                                WriteInstead(MeantBy(node))));
      return;
    }
    if (node.items.size() < least_) {
      reading->Add(node.mark, path, absl::StrCat("the list is empty; expected ", Describe()));
    }
    target->clear();
    for (const NodePtr& item : node.items) {
      const std::string item_path = absl::StrCat(path, "[", target->size(), "]");
      reading->Note(item_path, item->mark);
      // Also for a wrong one, so that an index is the same here and in the file.
      item_->Read(*item, item_path, reading, &target->emplace_back());
    }
  }
  Json WriteFrom(const std::vector<T>& value) const override {
    Json list = Json::array();
    for (const T& item : value) list.push_back(item_->Write(&item));
    return list.empty() ? Json() : list;
  }

 private:
  const TypePtr<T> item_;
  const size_t least_;
};

// What is in an optional is a `T` or not there.
template <class T>
class OptionalType : public TypeOf<std::optional<T>> {
 public:
  explicit OptionalType(TypePtr<T> inner) : inner_(std::move(inner)) {}
  std::string Describe() const override { return inner_->Describe(); }
  Json Schema() const override { return inner_->Schema(); }

 protected:
  void ReadInto(const Node& node, const std::string& path, Reading* reading,
                std::optional<T>* target) const override {
    inner_->Read(node, path, reading, &target->emplace());
  }
  Json WriteFrom(const std::optional<T>& value) const override {
    return value.has_value() ? inner_->Write(&*value) : Json();
  }

 private:
  const TypePtr<T> inner_;
};

}  // namespace tlsbridge::yaml
