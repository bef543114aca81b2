// The first bytes of a client: what is read from them does not depend on how they are split.

#include <stdint.h>

#include <algorithm>

#include "tests/fuzz/fuzz_check.h"
#include "tls/hello/client_hello_reader.h"

namespace {

using tlsbridge::tls::ClientHello;
using tlsbridge::tls::ClientHelloReader;
using Result = ClientHelloReader::Result;
using Bytes = absl::Span<const uint8_t>;

bool Same(const ClientHello& a, const ClientHello& b) {
  return a.server_name == b.server_name && a.alpn == b.alpn && a.versions == b.versions &&
         a.cipher_suites == b.cipher_suites && a.signature_algorithms == b.signature_algorithms &&
         a.groups == b.groups;
}

// Says in `fed_bytes` how many it took to decide.
Result FeedInPieces(Bytes bytes, size_t piece_bytes, ClientHelloReader* reader, size_t* fed_bytes) {
  Result result = Result::kNeedMore;
  *fed_bytes = 0;
  while (*fed_bytes < bytes.size() && result == Result::kNeedMore) {
    const Bytes piece = bytes.subspan(*fed_bytes, piece_bytes);
    result = reader->Feed(piece);
    *fed_bytes += piece.size();
    if (result == Result::kNeedMore) {
      FUZZ_CHECK(reader->held_bytes() <= ClientHelloReader::kMaxHeldBytes);
    }
  }
  return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Bytes bytes(data, size);
  ClientHelloReader whole;
  const Result expected = whole.Feed(bytes);
  if (expected == Result::kWhole) {  // what is given on says the same
    ClientHelloReader next;
    FUZZ_CHECK(next.Feed(whole.raw()) == expected);
    FUZZ_CHECK(Same(next.hello(), whole.hello()));
  }
  for (const size_t piece_bytes : {size_t{1}, size_t{3}, size_t{100}, size / 2 + 1}) {
    ClientHelloReader pieces;
    size_t fed_bytes;
    FUZZ_CHECK(FeedInPieces(bytes, piece_bytes, &pieces, &fed_bytes) == expected);
    if (expected == Result::kWhole) FUZZ_CHECK(Same(pieces.hello(), whole.hello()));
  }
  return 0;
}
