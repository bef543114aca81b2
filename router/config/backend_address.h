// A backend's address as text, from flags or a file.
//
// Thread: any; pure. Failure: a Status that says what is allowed.
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "router/config/config.h"

namespace tlsbridge {

// What SocketAddress::Parse() takes but port 0, "dns:NAME:PORT" or "srv:_SERVICE._PROTOCOL.NAME".
// Names are made lower case.
absl::StatusOr<BackendAddress> ParseBackendAddress(absl::string_view text);

}  // namespace tlsbridge
