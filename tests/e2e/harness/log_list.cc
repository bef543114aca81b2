#include "tests/e2e/harness/log_list.h"

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "nlohmann/json.hpp"

namespace tlsbridge::e2e {
namespace {

using nlohmann::json;

struct LogList {
  std::set<std::string> events;
  std::map<std::string, std::string> fields;  // their types
};

LogList ReadList() {
  LogList list;
  std::ifstream file("router/log/README.md");
  bool of_events = false;
  for (std::string line; std::getline(file, line);) {
    if (absl::StartsWith(line, "#")) of_events = line == "## Events";
    const std::vector<std::string> cells = absl::StrSplit(line, '|');
    if (cells.size() < 4 || !absl::StartsWith(cells[1], " `")) continue;
    const std::vector<std::string> parts = absl::StrSplit(cells[1], '`');
    for (size_t i = 1; i < parts.size(); i += 2) {
      if (of_events) {
        list.events.insert(parts[i]);
      } else {
        list.fields[parts[i]] = std::string(absl::StripAsciiWhitespace(cells[2]));
      }
    }
  }
  if (list.events.empty() || list.fields.empty()) {
    std::cerr << "router/log/README.md is not there\n";
    std::abort();
  }
  return list;
}

bool Is(const json& value, const std::string& type) {
  if (type == "text") return value.is_string();
  if (type == "number") return value.is_number();
  if (type == "flag") return value.is_boolean();
  if (type == "ms") return value.is_number() || value.is_null();
  if (type == "list") return value.is_array();
  return type == "object" && value.is_object();
}

}  // namespace

std::string FaultOfLogLine(absl::string_view line) {
  static const auto* const list = new LogList(ReadList());
  const json parsed = json::parse(line.begin(), line.end(), nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object()) return absl::StrCat("is no JSON: ", line);
  const std::string event = parsed.value("event", "");
  if (!list->events.contains(event)) return absl::StrCat("event ", event, " is not in the list");
  for (const auto& [name, value] : parsed.items()) {
    const auto field = list->fields.find(name);
    if (field == list->fields.end()) {
      return absl::StrCat("field ", name, " of ", event, " is not in the list");
    }
    if (Is(value, field->second)) continue;
    if ((name == "incoming" || name == "outgoing") && event == "summary") continue;
    return absl::StrCat("field ", name, " of ", event, " is not of type ", field->second);
  }
  return "";
}

}  // namespace tlsbridge::e2e
