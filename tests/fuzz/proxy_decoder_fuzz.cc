// A PROXY header of either version: what it says does not depend on how it is split, and encoding
// what was understood says the same again.

#include <stdint.h>

#include <algorithm>

#include "bridge/proxy_protocol/decoder.h"
#include "bridge/proxy_protocol/encoder.h"
#include "tests/fuzz/fuzz_check.h"

namespace {

using tlsbridge::proxy_protocol::Decoder;
using tlsbridge::proxy_protocol::EncodeBinary;
using tlsbridge::proxy_protocol::Encoded;
using tlsbridge::proxy_protocol::EncodeLine;
using tlsbridge::proxy_protocol::Header;
using tlsbridge::proxy_protocol::kMaxHeaderBytes;
using tlsbridge::proxy_protocol::kMaxLineBytes;
using tlsbridge::proxy_protocol::Malformed;

using Bytes = absl::Span<const uint8_t>;

// In pieces of `piece_bytes`; consumed_bytes is that of all of them.
Decoder::Result FeedInPieces(Bytes bytes, size_t piece_bytes, Decoder* decoder) {
  Decoder::Result result;
  size_t consumed_bytes = 0;
  while (!bytes.empty() && result.progress == Decoder::Progress::kNeedMore) {
    const Bytes piece = bytes.first(std::min(piece_bytes, bytes.size()));
    result = decoder->Feed(piece);
    FUZZ_CHECK(result.consumed_bytes <= piece.size());
    FUZZ_CHECK(result.progress != Decoder::Progress::kNeedMore ||
               result.consumed_bytes == piece.size());
    consumed_bytes += result.consumed_bytes;
    bytes.remove_prefix(piece.size());
  }
  result.consumed_bytes = consumed_bytes;
  return result;
}

void CheckEncodesToTheSame(const Header& header) {
  const Encoded encoded = EncodeBinary(header);
  FUZZ_CHECK(encoded.bytes.size() <= kMaxHeaderBytes);
  Decoder decoder;
  const Decoder::Result result =
      decoder.Feed({reinterpret_cast<const uint8_t*>(encoded.bytes.data()), encoded.bytes.size()});
  FUZZ_CHECK(result.progress == Decoder::Progress::kWhole);
  FUZZ_CHECK(result.consumed_bytes == encoded.bytes.size());
  // The checksum that is added may leave no room for the last of a header that had none.
  if (encoded.values_left_out == 0) FUZZ_CHECK(decoder.header() == header);

  const std::string line = EncodeLine(header.source, header.destination);
  FUZZ_CHECK(line.size() <= kMaxLineBytes);
  Decoder line_decoder;
  FUZZ_CHECK(
      line_decoder.Feed({reinterpret_cast<const uint8_t*>(line.data()), line.size()}).progress ==
      Decoder::Progress::kWhole);
  if (header.source.family() == AF_INET || header.source.family() == AF_INET6) {
    FUZZ_CHECK(line_decoder.header().source == header.source);
    FUZZ_CHECK(line_decoder.header().destination == header.destination);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Bytes bytes(data, size);
  Decoder whole;
  const Decoder::Result expected = whole.Feed(bytes);
  FUZZ_CHECK((expected.progress == Decoder::Progress::kMalformed) ==
             (expected.reason != Malformed::kNone));
  FUZZ_CHECK(expected.consumed_bytes <= kMaxHeaderBytes);
  FUZZ_CHECK(expected.progress != Decoder::Progress::kNeedMore || size < kMaxHeaderBytes);
  for (const size_t piece_bytes : {size_t{1}, size_t{2}, size_t{13}, size / 2 + 1}) {
    Decoder pieces;
    const Decoder::Result result = FeedInPieces(bytes, piece_bytes, &pieces);
    FUZZ_CHECK(result.progress == expected.progress);
    if (result.progress != Decoder::Progress::kWhole) continue;
    FUZZ_CHECK(result.consumed_bytes == expected.consumed_bytes);
    FUZZ_CHECK(pieces.header() == whole.header());
  }
  if (expected.progress == Decoder::Progress::kWhole) CheckEncodesToTheSame(whole.header());
  return 0;
}
