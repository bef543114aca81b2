#include "bridge/proxy_protocol/decoder.h"

#include <algorithm>

#include "bridge/proxy_protocol/version1.h"
#include "bridge/proxy_protocol/version2.h"

namespace tlsbridge::proxy_protocol {
namespace {

Decoder::Result Refuse(Malformed reason) { return {Decoder::Progress::kMalformed, 0, reason}; }

Decoder::Result Finish(Malformed reason, size_t consumed_bytes) {
  if (reason != Malformed::kNone) return Refuse(reason);
  return {Decoder::Progress::kWhole, consumed_bytes, reason};
}

}  // namespace

Decoder::Result Decoder::Feed(absl::Span<const uint8_t> bytes) {
  if (bytes.empty()) return {};
  const char first = held_.empty() ? static_cast<char>(bytes[0]) : held_[0];
  if (first == kLineStart[0]) return FeedLine(bytes);
  if (first == kSignature[0]) return FeedBinary(bytes);
  return Refuse(Malformed::kNoSignature);
}

size_t Decoder::TakeUpTo(size_t limit, absl::Span<const uint8_t> bytes) {
  const size_t taken = std::min(limit - std::min(limit, held_.size()), bytes.size());
  held_.append(reinterpret_cast<const char*>(bytes.data()), taken);
  return taken;
}

Decoder::Result Decoder::FeedLine(absl::Span<const uint8_t> bytes) {
  const size_t held_before = held_.size();
  const size_t taken = TakeUpTo(kMaxLineBytes, bytes);
  const LineExtent extent = FindLine(held_);
  if (extent.reason != Malformed::kNone) return Refuse(extent.reason);
  if (extent.bytes == 0) return {Progress::kNeedMore, taken, Malformed::kNone};
  held_.resize(extent.bytes);
  return Finish(DecodeLine(held_, &header_), extent.bytes - held_before);
}

Decoder::Result Decoder::FeedBinary(absl::Span<const uint8_t> bytes) {
  size_t taken = TakeUpTo(kFixedBytes, bytes);
  if (const Malformed reason = CheckStart(held_); reason != Malformed::kNone) return Refuse(reason);
  if (held_.size() < kFixedBytes) return {Progress::kNeedMore, taken, Malformed::kNone};
  const size_t wanted = HeaderBytes(held_);
  taken += TakeUpTo(wanted, bytes.subspan(taken));
  if (held_.size() < wanted) return {Progress::kNeedMore, taken, Malformed::kNone};
  return Finish(DecodeBinary(held_, &header_), taken);
}

}  // namespace tlsbridge::proxy_protocol
