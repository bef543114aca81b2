// Peeking a ClientHello: at once, and a byte at a time.

#include <stdint.h>

#include <algorithm>
#include <string>

#include "absl/types/span.h"
#include "benchmark/benchmark.h"
#include "tls/hello/client_hello_reader.h"
#include "tools/bench/micro/client.h"

namespace tlsbridge::tls {
namespace {

void ClientHelloPeek(benchmark::State& state) {
  const std::string hello = micro::Client().TakeOutput();
  const absl::Span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(hello.data()),
                                        hello.size());
  const size_t piece_bytes = std::min(static_cast<size_t>(state.range(0)), bytes.size());
  for (auto _ : state) {
    ClientHelloReader reader;
    auto result = ClientHelloReader::Result::kNeedMore;
    for (size_t at = 0; at < bytes.size(); at += piece_bytes) {
      result = reader.Feed(bytes.subspan(at, piece_bytes));
    }
    if (result != ClientHelloReader::Result::kWhole) state.SkipWithError("not a hello");
    benchmark::DoNotOptimize(reader.hello());
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * bytes.size()));
}
BENCHMARK(ClientHelloPeek)->ArgName("piece_bytes")->Arg(16384)->Arg(100)->Arg(1);

}  // namespace
}  // namespace tlsbridge::tls
