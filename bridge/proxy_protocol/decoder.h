// Reads one PROXY header, version 1 or 2, off the front of a connection, however it is split.
//
// Strict: section 2.1 wants a line that matches exactly, and a header is what decides which client
// this is. Give it only what comes from proxies that are trusted (section 2); whether a header is
// there is never guessed.
//
// Thread: any, one at a time. Owner: the caller, until the header is whole. Failure: kMalformed and
// a reason. It holds kMaxHeaderBytes of input at most.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <string>

#include "absl/types/span.h"
#include "bridge/proxy_protocol/header.h"
#include "bridge/proxy_protocol/malformed.h"

namespace tlsbridge::proxy_protocol {

class Decoder {
 public:
  enum class Progress : uint8_t { kNeedMore, kWhole, kMalformed };

  struct Result {
    Progress progress = Progress::kNeedMore;
    // kWhole: how many of these bytes were the header's; those after them are the connection's.
    // kNeedMore: all of them.
    size_t consumed_bytes = 0;
    Malformed reason = Malformed::kNone;
  };

  // What can be judged is judged at once, so that a stranger is not waited for.
  // REQUIRES: every call before said kNeedMore.
  Result Feed(absl::Span<const uint8_t> bytes);

  // REQUIRES: Feed() said kWhole.
  const Header& header() const { return header_; }

 private:
  Result FeedLine(absl::Span<const uint8_t> bytes);
  Result FeedBinary(absl::Span<const uint8_t> bytes);
  // Takes from `bytes` until `limit` are held; says how many it took.
  size_t TakeUpTo(size_t limit, absl::Span<const uint8_t> bytes);

  std::string held_;
  Header header_;
};

}  // namespace tlsbridge::proxy_protocol
