// What an operator may set of a bridge: plain values, so that a configuration needs no more than
// this of the data plane.
//
// Thread: any; values. Owner: whoever made them. Failure: none.
#pragma once

#include "absl/time/time.h"
#include "bridge/ending.h"
#include "bridge/socket_options.h"

namespace tlsbridge {

struct BridgeOptions {
  TcpOptions tcp;
  // How long a socket may take to end gracefully before it is destroyed.
  absl::Duration grace = absl::Seconds(1);
  // FIN without close_notify: false cuts the other peer off, true passes it on as an end. Of the
  // client; of a backend that speaks TLS.
  bool accept_truncation = false;
  bool accept_backend_truncation = false;
  bool AcceptsTruncation(Side of) const {
    return of == Side::kIncoming ? accept_truncation : accept_backend_truncation;
  }

  bool operator==(const BridgeOptions&) const = default;
};

}  // namespace tlsbridge
