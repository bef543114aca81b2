// Whether a context can be made with ProtocolOptions, before there is one.
//
// Thread: any; pure. Failure: a Status that names the option and lists what it may be.
#pragma once

#include "absl/status/status.h"
#include "tls/hello/protocol_options.h"

namespace tlsbridge::tls {

absl::Status CheckProtocolOptions(const ProtocolOptions& options);

}  // namespace tlsbridge::tls
