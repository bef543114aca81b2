// The PROXY header that tells a backend whom a connection is from.
//
// Thread: the worker's. Failure: none; what is not known, or too long, is left out.
#pragma once

#include <string>

#include "bridge/bridge.h"
#include "router/connections/connection_record.h"
#include "tls/server_context.h"

namespace tlsbridge {

// As the record's route wants it; empty for none. `credential` is what the client was answered
// with; null where TLS is passed through.
std::string ProxyHeaderFor(const ConnectionRecord& record, const tls::Credential* credential,
                           const Bridge& bridge);

}  // namespace tlsbridge
