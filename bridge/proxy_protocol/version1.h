// The line of version 1 (section 2.1). For the decoder and the encoder.
//
// Thread: any. Failure: a reason.
#pragma once

#include <stddef.h>

#include "absl/strings/string_view.h"
#include "bridge/proxy_protocol/header.h"
#include "bridge/proxy_protocol/malformed.h"

namespace tlsbridge::proxy_protocol {

constexpr absl::string_view kLineStart = "PROXY ";

struct LineExtent {
  size_t bytes = 0;  // CRLF included; 0 while it has not been seen
  Malformed reason = Malformed::kNone;
};

// Looks for the end of the line in what has come so far, kMaxLineBytes at most.
LineExtent FindLine(absl::string_view held);

// `line` is what FindLine() found.
Malformed DecodeLine(absl::string_view line, Header* header);

}  // namespace tlsbridge::proxy_protocol
