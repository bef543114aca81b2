// Reads the answer to a question for SRV records (RFC 2782), with the TTL, which c-ares' own reader
// does not tell.
//
// Thread: any; pure. Failure: a Status for what is no such answer. Any bytes may come.
#pragma once

#include <stdint.h>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "router/backends/dns_client.h"

namespace tlsbridge {

absl::StatusOr<SrvAnswer> ParseSrvAnswer(absl::Span<const uint8_t> message);

}  // namespace tlsbridge
