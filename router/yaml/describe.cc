#include "router/yaml/describe.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "router/yaml/key_examples.h"
#include "router/yaml/keys.h"
#include "router/yaml/parse_config.h"
#include "router/yaml/reference_text.h"

namespace tlsbridge {
namespace {

using yaml::Json;
using yaml::Key;
using yaml::ObjectType;

std::string PlainText(const Json& value) {
  if (value.is_null()) return "";
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string DefaultText(const Key& key, const Json& value) {
  if (key.required) return "(required)";
  if (value.is_null()) return "";
  return absl::StrCat("`", PlainText(value), "`");
}

// Those of an enumeration; numbers are there for editors only.
std::vector<std::string> Words(const Json& schema) {
  std::vector<std::string> words;
  const Json& item = schema.contains("items") ? schema.at("items") : schema;
  for (const Json& word : item.value("enum", Json::array())) {
    if (word.is_string()) words.push_back(word.get<std::string>());
  }
  return words;
}

// "routes[].tls": where the keys of `key` are, or what it is.
std::string Below(const std::string& path, const Key& key) {
  return absl::StrCat(path, path.empty() ? "" : ".", key.name);
}

const Json& SchemaOf(const Key& key, const Json& schema) {
  return schema.at("properties").at(key.name);
}

const Json& SchemaBelow(const Key& key, const Json& schema) {
  return key.type->is_list() ? SchemaOf(key, schema).at("items") : SchemaOf(key, schema);
}

// In the table's order, those of a mapping before those within them.
void AddFacts(const std::string& path, const ObjectType& object, const Json& schema,
              std::vector<KeyFacts>* facts) {
  for (const Key& key : object.keys()) {
    const Json& properties = SchemaOf(key, schema);
    const bool has_keys = key.type->object() != nullptr;
    facts->push_back({Below(path, key), key.doc, has_keys ? "" : key.type->Describe(),
                      PlainText(properties.value("default", Json())), key.type->is_list(),
                      properties.value("type", "") == "boolean", has_keys,
                      absl::StartsWith(key.type->Describe(), "file: "), Words(properties)});
  }
  for (const Key& key : object.keys()) {
    if (key.type->object() == nullptr) continue;
    AddFacts(Below(path, key) + (key.type->is_list() ? "[]" : ""), *key.type->object(),
             SchemaBelow(key, schema), facts);
  }
}

// By frequency of use.
std::vector<const Key*> InOrder(const std::string& path, const ObjectType& object) {
  std::vector<const Key*> keys;
  for (const Key& key : object.keys()) keys.push_back(&key);
  std::stable_sort(keys.begin(), keys.end(), [&path](const Key* one, const Key* other) {
    return yaml::PlaceOf(Below(path, *one)) < yaml::PlaceOf(Below(path, *other));
  });
  return keys;
}

std::string Row(const std::string& path, const Key& key, const Json& schema) {
  const bool has_keys = key.type->object() != nullptr;
  const std::string type = !has_keys             ? key.type->Describe()
                           : key.type->is_list() ? "list, see below"
                                                 : "see below";
  const absl::string_view example = yaml::ExampleOf(Below(path, key));
  return absl::StrCat("| `", key.name, "` | ", type, " | ",
                      DefaultText(key, SchemaOf(key, schema).value("default", Json())), " | ",
                      example.empty() ? "" : absl::StrCat("`", example, "`"), " | ",
                      absl::StrReplaceAll(key.doc, {{"|", "\\|"}}), " |\n");
}

void AddSections(const std::string& path, const ObjectType& object, const Json& schema,
                 std::string* page) {
  absl::StrAppend(page, "\n## ", path.empty() ? "The file" : absl::StrCat("`", path, "`"),
                  "\n\n| key | type | default | example | |\n| --- | --- | --- | --- | --- |\n");
  const std::vector<const Key*> keys = InOrder(path, object);
  for (const Key* key : keys) absl::StrAppend(page, Row(path, *key, schema));
  for (const Key* key : keys) {
    if (key->type->object() == nullptr) continue;
    AddSections(Below(path, *key) + (key->type->is_list() ? "[]" : ""), *key->type->object(),
                SchemaBelow(*key, schema), page);
  }
}

}  // namespace

std::string ConfigJsonSchema() {
  Json schema = {{"$schema", "http://json-schema.org/draft-07/schema#"},
                 {"title", "tlsbridge configuration"}};
  schema.update(yaml::ConfigKeys().Schema());
  return schema.dump(2) + "\n";
}

std::string ConfigReference() {
  std::string page(yaml::ReferenceIntroduction());
  AddSections("", yaml::ConfigKeys(), yaml::ConfigKeys().Schema(), &page);
  absl::StrAppend(&page, yaml::ReferenceExplanations());
  return page;
}

const std::vector<KeyFacts>& ConfigKeyFacts() {
  static const auto* const facts = [] {
    auto* const made = new std::vector<KeyFacts>;
    AddFacts("", yaml::ConfigKeys(), yaml::ConfigKeys().Schema(), made);
    return made;
  }();
  return *facts;
}

std::vector<std::string> ConfigKeyPaths() {
  std::vector<std::string> paths;
  for (const KeyFacts& key : ConfigKeyFacts()) paths.push_back(key.path);
  return paths;
}

}  // namespace tlsbridge
