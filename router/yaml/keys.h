// Every key of the configuration file: its type, its bounds, what it is for and which member of
// the structs it fills. The parser, the schema and the reference page are made from this alone.
//
// Thread: any; immutable, made at the first call and never destroyed.
#pragma once

#include "router/config/config.h"
#include "router/yaml/object.h"

namespace tlsbridge::yaml {

const ObjectOf<Config>& ConfigKeys();

// Its parts, a file each.
TypePtr<Route> RouteKeys();
TypePtr<Route> TlsKeys();
TypePtr<Route> BackendTlsKeys();
TypePtr<Limits> RouteLimitKeys();

}  // namespace tlsbridge::yaml
