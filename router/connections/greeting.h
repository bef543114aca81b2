// A client's first bytes: a PROXY header, if the listener has that from this peer, and the
// ClientHello, which says where it wants to go.
//
// Thread: the worker's. Owner: the connection, until its client is served. Failure: a result.
#pragma once

#include <stdint.h>

#include <memory>
#include <optional>

#include "absl/types/span.h"
#include "bridge/proxy_protocol/decoder.h"
#include "tls/hello/client_hello.h"

namespace tlsbridge {

class Greeting {
 public:
  enum class Result {
    kNeedMore,
    kWhole,
    kNotHello,
    kBadProxyHeader,  // malformed() says why
  };

  explicit Greeting(bool expects_proxy_header) {
    if (expects_proxy_header) decoder_.emplace();
  }

  Result Feed(absl::Span<const uint8_t> bytes);

  // The PROXY header; null without one, and until it is whole.
  const proxy_protocol::Header* proxy_header() const {
    return proxy_header_whole_ ? &decoder_->header() : nullptr;
  }
  proxy_protocol::Malformed malformed() const { return malformed_; }
  // What a session or a backend is to be given: all but the PROXY header.
  absl::Span<const uint8_t> raw() const { return reader_.raw(); }
  // Null until it is whole.
  const tls::ClientHello* hello() const { return whole_ ? &reader_.hello() : nullptr; }

 private:
  std::optional<proxy_protocol::Decoder> decoder_;
  proxy_protocol::Malformed malformed_ = proxy_protocol::Malformed::kNone;
  bool proxy_header_whole_ = false;
  tls::ClientHelloReader reader_;
  bool whole_ = false;
};

}  // namespace tlsbridge
