// One live connection as a JSON object, for whoever asks what the program is doing.
//
// Thread: the worker's. Failure: none.
#pragma once

#include <string>

#include "absl/time/time.h"
#include "router/connections/connection.h"

namespace tlsbridge {

std::string DumpConnection(const Connection& connection, absl::Time now);

}  // namespace tlsbridge
