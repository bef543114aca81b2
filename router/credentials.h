// Reads the files that a route's TLS is made of.
//
// Thread: any. Failure: a Status that names the file and the reason; nothing is half-made.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "router/config/config.h"
#include "tls/server_context.h"

namespace tlsbridge {

absl::StatusOr<std::shared_ptr<const tls::ServerContext>> LoadServerTls(const ServerTls& settings,
                                                                        absl::Time now);

}  // namespace tlsbridge
