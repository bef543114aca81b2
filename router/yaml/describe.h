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

// The path of every key: "routes[].tls.certificates[].key".
std::vector<std::string> ConfigKeyPaths();

}  // namespace tlsbridge
