// From a tree, whatever it was made of, to plain values.
//
// Thread: any; pure. Failure: as ParseConfig().
#pragma once

#include "router/yaml/node.h"
#include "router/yaml/parse_config.h"
#include "router/yaml/reading.h"

namespace tlsbridge::yaml {

// Null where there is no tree: `reading` knows why.
ParsedConfig ReadConfig(const NodePtr& root, Reading* reading);

}  // namespace tlsbridge::yaml
