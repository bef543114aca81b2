#include "tools/bench/load/tally.h"

namespace tlsbridge::bench {

absl::string_view ErrorName(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kConnect:
      return "connect";
    case ErrorKind::kHandshake:
      return "handshake";
    case ErrorKind::kParameters:
      return "parameters";
    case ErrorKind::kResumption:
      return "resumption";
    case ErrorKind::kEarlyEnd:
      return "early_end";
    case ErrorKind::kTruncated:
      return "truncated";
    case ErrorKind::kReset:
      return "reset";
    case ErrorKind::kIo:
      return "io";
    case ErrorKind::kData:
      return "data";
    case ErrorKind::kStalled:
      return "stalled";
    case ErrorKind::kProxyGone:
      return "proxy_gone";
    case ErrorKind::kCount:
      break;
  }
  return "unknown";
}

void Tally::Error(ErrorKind kind, absl::string_view detail) {
  ++counts_[static_cast<size_t>(kind)];
  if (++total_ == 1) first_detail_ = std::string(detail);
}

}  // namespace tlsbridge::bench
