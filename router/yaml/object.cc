#include "router/yaml/object.h"

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_join.h"

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

void ObjectType::ReadKeys(const Node& node, const std::string& path, Reading* reading,
                          void* target) const {
  if (node.kind != Node::Kind::kMap) {
    reading->Add(node.mark, path,
                 absl::StrCat("expected a mapping with the keys ", absl::StrJoin(names_, ", "),
                              ", not ", KindName(node)));
    reading->NoteMalformed(path);
    return;
  }
  absl::flat_hash_map<absl::string_view, int> lines;
  for (const Node::Entry& entry : node.entries) {
    const Key* key = Find(entry.key);
    if (key == nullptr) {
      const std::string guess = DidYouMean(entry.key, names_);
      reading->Add(
          entry.mark, path,
          absl::StrCat("unknown key ", Quoted(entry.key), guess.empty() ? "; allowed are " : guess,
                       guess.empty() ? absl::StrJoin(names_, ", ") : ""));
      reading->NoteMalformed(path);
      continue;
    }
    const std::string key_path = absl::StrCat(path, path.empty() ? "" : ".", key->name);
    const auto [first, is_first] = lines.emplace(entry.key, entry.mark.line);
    if (!is_first) {
      reading->Add(entry.mark, key_path,
                   absl::StrCat("given a second time; the first is on line ", first->second));
      continue;
    }
    const bool is_scalar = entry.value->kind == Node::Kind::kScalar;
    reading->Note(key_path, is_scalar ? entry.value->mark : entry.mark);
    key->type->Read(*entry.value, key_path, reading, key->locate(target));
  }
  for (const Key& key : keys_) {
    if (!key.required || lines.contains(key.name)) continue;
    // Of a choice, what there is to choose from.
    const std::string type = key.type->Describe();
    const bool is_choice = absl::StartsWith(type, "one of ");
    reading->Add(
        node.mark, absl::StrCat(path, path.empty() ? "" : ".", key.name),
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
