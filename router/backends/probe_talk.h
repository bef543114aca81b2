// What a health check says to a backend once it is connected, and what it thinks of the answers.
// Without a socket: bytes in, bytes out.
//
// Thread: one. Owner: the probe. Failure: a result; a backend may answer anything, and no more
// than a few bytes of it are kept.
#pragma once

#include <stdint.h>

#include <memory>
#include <string>

#include "absl/types/span.h"
#include "router/config/config.h"
#include "tls/backend_context.h"
#include "tls/staging.h"

namespace tlsbridge {

struct ProbeStep {
  enum class Result : uint8_t { kMore, kPassed, kFailed };
  Result result = Result::kMore;
  std::string output;  // to be sent in any case
  std::string why;     // kFailed
};

class ProbeTalk {
 public:
  virtual ~ProbeTalk() = default;
  virtual ProbeStep Begin() = 0;
  // REQUIRES of both: kMore so far.
  virtual ProbeStep Receive(absl::Span<const uint8_t> bytes) = 0;
  virtual ProbeStep ReceiveEnd() = 0;
};

// Passed as soon as it is connected.
std::unique_ptr<ProbeTalk> ConnectTalk();

// Sends, and passes when the answer begins as it should.
std::unique_ptr<ProbeTalk> SendExpectTalk(std::string send, std::string expect);

// Passes when the TLS handshake is done, as `context` demands. `staging` outlives it.
std::unique_ptr<ProbeTalk> TlsTalk(std::shared_ptr<const tls::BackendContext> context,
                                   tls::Staging* staging, const std::string& backend);

// The same, behind the PROXY header of a connection that is nobody's: what takes the header from
// clients' connections demands it of checks, too. Version 2 has the command LOCAL for it (section
// 2.2 names health checks), version 1 only UNKNOWN (section 2.1): either way the receiver goes by
// the connection's own addresses.
std::unique_ptr<ProbeTalk> BehindProxyHeader(ProxyProtocol version,
                                             std::unique_ptr<ProbeTalk> talk);

}  // namespace tlsbridge
