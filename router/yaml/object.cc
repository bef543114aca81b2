#include "router/yaml/object.h"

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "router/yaml/nearest.h"

namespace tlsbridge::yaml {

ObjectType::ObjectType(std::vector<Key> keys) : keys_(std::move(keys)) {
  for (const Key& key : keys_) names_.push_back(key.name);
}

const Key* ObjectType::Find(absl::string_view name) const {
  for (const Key& key : keys_) {
    if (key.name == name) return &key;
  }
  return nullptr;
}

std::string ObjectType::MappingFor(const Node& node) const {
  if (node.kind != Node::Kind::kScalar || node.text.empty()) return "";
  const auto key =
      std::find_if(keys_.begin(), keys_.end(), [](const Key& one) { return one.required; });
  if (key == keys_.end()) return "";
  return absl::StrCat("{", key->name, ": ", Quoted(node.text), "}");
}

void ObjectType::ReadKeys(const Node& node, const std::string& path, Reading* reading,
                          void* target) const {
  if (node.kind != Node::Kind::kMap) {
    reading->Add(node.mark, path,
                 absl::StrCat("expected a mapping with the keys ", absl::StrJoin(names_, ", "),
                              ", not ", KindName(node), WriteInstead(MappingFor(node))));
    reading->NoteMalformed(path);
    return;
  }
  const std::string prefix = absl::StrCat(path, path.empty() ? "" : ".");
  absl::flat_hash_map<absl::string_view, int> lines;
  std::vector<const Node::Entry*> unknown;
  const auto read = [&](const Key& key, const Node::Entry& entry) {
    const std::string key_path = prefix + key.name;
    const bool is_scalar = entry.value->kind == Node::Kind::kScalar;
    reading->Note(key_path, is_scalar ? entry.value->mark : entry.mark);
    key.type->Read(*entry.value, key_path, reading, key.locate(target));
  };
  for (const Node::Entry& entry : node.entries) {
    const Key* key = Find(entry.key);
    if (key == nullptr) {
      unknown.push_back(&entry);
      continue;
    }
    const auto [first, is_first] = lines.emplace(key->name, entry.mark.line);
    if (!is_first) {
      reading->Add(entry.mark, prefix + key->name,
                   absl::StrCat("duplicate key, first set on line ", first->second));
      continue;
    }
    read(*key, entry);
  }
  for (const Node::Entry* entry : unknown) {
    const Key* meant = Find(Nearest(entry->key, names_));
    reading->AddAside(entry->mark, path,
                      absl::StrCat("unknown key ", Quoted(entry->key),
                                   meant == nullptr ? "; allowed are " : "; did you mean '",
                                   meant == nullptr ? absl::StrJoin(names_, ", ") : meant->name,
                                   meant == nullptr ? "" : "'?"));
    // Read as what it was meant to be, so that it hides no other mistake, and is not missed.
    if (meant == nullptr || !lines.emplace(meant->name, entry->mark.line).second) continue;
    read(*meant, *entry);
  }
  for (const Key& key : keys_) {
    if (!key.required || lines.contains(key.name)) continue;
    // Of a choice, what there is to choose from.
    const std::string type = key.type->Describe();
    const bool is_choice = absl::StartsWith(type, "one of ");
    reading->Add(
        node.mark, prefix + key.name,
        absl::StrCat("is missing: ", is_choice ? type : "", is_choice ? ": " : "", key.doc));
  }
}

Json ObjectType::KeysSchema(const void* defaults) const {
  Json properties = Json::object();
  Json required = Json::array();
  for (const Key& key : keys_) {
    Json schema = key.type->Schema();
    schema["description"] = key.doc;
    // Only read from here, though a binding is for writing.
    const Json value = key.type->Write(key.locate(const_cast<void*>(defaults)));
    if (!key.required && !value.is_null()) schema["default"] = value;
    properties[key.name] = std::move(schema);
    if (key.required) required.push_back(key.name);
  }
  Json schema = {
      {"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", false}};
  if (!required.empty()) schema["required"] = std::move(required);
  return schema;
}

}  // namespace tlsbridge::yaml
