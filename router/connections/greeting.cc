#include "router/connections/greeting.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace tlsbridge {
namespace {

bool BeginsLikeProxyHeader(absl::Span<const uint8_t> bytes) {
  constexpr size_t kEnoughToTell = 6;  // "PROXY "
  if (bytes.size() < kEnoughToTell) return false;
  proxy_protocol::Decoder decoder;
  const proxy_protocol::Decoder::Result result = decoder.Feed(bytes);
  return result.progress != proxy_protocol::Decoder::Progress::kMalformed ||
         result.reason != proxy_protocol::Malformed::kNoSignature;
}

// A log line is no place for thousands of names.
constexpr size_t kMostShownBytes = 256;

Greeting::Offer OfferOf(const tls::ClientHello& hello) {
  Greeting::Offer offer;
  offer.versions = hello.versions;
  for (const absl::string_view name : hello.alpn) {
    const absl::string_view comma = offer.alpn.empty() ? "" : ",";
    if (offer.alpn.size() + comma.size() + name.size() > kMostShownBytes) {
      absl::StrAppend(&offer.alpn, comma, "...");
      break;
    }
    absl::StrAppend(&offer.alpn, comma, name);
  }
  return offer;
}

}  // namespace

Greeting::Result Greeting::Feed(absl::Span<const uint8_t> bytes) {
  if (decoder_.has_value() && !proxy_header_whole_) {
    const proxy_protocol::Decoder::Result result = decoder_->Feed(bytes);
    switch (result.progress) {
      case proxy_protocol::Decoder::Progress::kNeedMore:
        return Result::kNeedMore;
      case proxy_protocol::Decoder::Progress::kMalformed:
        malformed_ = result.reason;
        return Result::kBadProxyHeader;
      case proxy_protocol::Decoder::Progress::kWhole:
        proxy_header_whole_ = true;
        bytes.remove_prefix(result.consumed_bytes);
        break;
    }
  }
  if (bytes.empty()) return Result::kNeedMore;
  switch (reader_->Feed(bytes)) {
    case tls::ClientHelloReader::Result::kNeedMore:
      return Result::kNeedMore;
    case tls::ClientHelloReader::Result::kWhole:
      offer_ = OfferOf(reader_->hello());
      return Result::kWhole;
    case tls::ClientHelloReader::Result::kNotHello:
      break;
  }
  if (!decoder_.has_value() && BeginsLikeProxyHeader(reader_->raw())) {
    malformed_ = proxy_protocol::Malformed::kUnexpected;
    return Result::kBadProxyHeader;
  }
  return Result::kNotHello;
}

}  // namespace tlsbridge
