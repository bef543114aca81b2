// A client's first bytes: the ClientHello, which says where it wants to go.
//
// Thread: the worker's. Owner: the connection, until its client is served. Failure: a result.
#pragma once

#include <stdint.h>

#include "absl/types/span.h"
#include "tls/client_hello.h"

namespace tlsbridge {

class Greeting {
 public:
  using Result = tls::ClientHelloReader::Result;

  Result Feed(absl::Span<const uint8_t> bytes) {
    const Result result = reader_.Feed(bytes);
    whole_ = result == Result::kWhole;
    return result;
  }
  // What a session or a backend is to be given.
  absl::Span<const uint8_t> raw() const { return reader_.raw(); }
  // Null until it is whole.
  const tls::ClientHello* hello() const { return whole_ ? &reader_.hello() : nullptr; }

 private:
  tls::ClientHelloReader reader_;
  bool whole_ = false;
};

}  // namespace tlsbridge
