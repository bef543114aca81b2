// One live connection as a JSON object, for whoever asks what the program is doing.
//
// Thread: the worker's. Failure: none.
#ifndef TLSBRIDGE_ROUTER_CONNECTION_DUMP_H_
#define TLSBRIDGE_ROUTER_CONNECTION_DUMP_H_

#include <string>

#include "absl/time/time.h"
#include "router/connection.h"

namespace tlsbridge {

std::string DumpConnection(const Connection& connection, absl::Time now);

}  // namespace tlsbridge

#endif  // TLSBRIDGE_ROUTER_CONNECTION_DUMP_H_
