// The keys of the configuration file for people and for editors, made from the same table that the
// parser uses.
//
// Thread: any; pure. Failure: none.
#pragma once

#include <string>
#include <vector>

namespace tlsbridge {

// A JSON Schema (draft 7). It knows types and bounds, but no contradictions.
std::string ConfigJsonSchema();

// A page in Markdown: every key with its type, unit and default.
std::string ConfigReference();

// What is known of a key, for those who make something else of the table than a page.
struct KeyFacts {
  std::string path;      // "routes[].tls.certificates[].key"
  std::string doc;       // one line, without a full stop
  std::string type;      // "duration, 1ms or more"; of a list "list of ..."
  std::string standard;  // its default; empty for none
  bool is_list = false;
  bool is_switch = false;               // true or false
  bool has_keys = false;                // a mapping, or a list of them
  bool is_file = false;                 // the name of one
  std::vector<std::string> words = {};  // if it is one of these
};
// Those of all keys, in the table's order.
const std::vector<KeyFacts>& ConfigKeyFacts();

// The path of every key: "routes[].tls.certificates[].key".
std::vector<std::string> ConfigKeyPaths();

}  // namespace tlsbridge
