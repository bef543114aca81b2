// A client's first bytes: a PROXY header, if the listener has that from this peer, and the
// ClientHello, which says where it wants to go.
//
// Thread: the worker's. Owner: the connection, until its client is served; of the bytes only until
// whoever is to read them has them. Failure: a result.
#pragma once

#include <stdint.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "bridge/proxy_protocol/decoder.h"
#include "tls/hello/client_hello.h"
#include "tls/hello/client_hello_reader.h"

namespace tlsbridge {

class Greeting {
 public:
  enum class Result {
    kNeedMore,
    kWhole,
    kNotHello,        // refusal() says why
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
  // REQUIRES this and of the next two: not after ReleaseBytes().
  absl::Span<const uint8_t> raw() const { return reader_->raw(); }
  // REQUIRES: kWhole.
  const tls::ClientHello& hello() const { return reader_->hello(); }
  // REQUIRES: kNotHello.
  const tls::Refusal& refusal() const { return reader_->refusal(); }

  // What the log shows of what the client asked for, and of that no more than it shows.
  struct Offer {
    std::string alpn;
    std::vector<uint16_t> versions;
  };
  // Null until the hello is whole.
  const Offer* offer() const { return offer_.has_value() ? &*offer_ : nullptr; }

  // The bytes have been taken: gives up what they hold, which may be a hello of 16 KiB.
  void ReleaseBytes() { reader_.reset(); }

 private:
  std::optional<proxy_protocol::Decoder> decoder_;
  proxy_protocol::Malformed malformed_ = proxy_protocol::Malformed::kNone;
  bool proxy_header_whole_ = false;
  std::unique_ptr<tls::ClientHelloReader> reader_ = std::make_unique<tls::ClientHelloReader>();
  std::optional<Offer> offer_;
};

}  // namespace tlsbridge
