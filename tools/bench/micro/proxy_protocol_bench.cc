// PROXY headers of both versions, written and read.

#include <stdint.h>

#include <string>

#include "absl/types/span.h"
#include "benchmark/benchmark.h"
#include "bridge/proxy_protocol/decoder.h"
#include "bridge/proxy_protocol/encoder.h"

namespace tlsbridge::proxy_protocol {
namespace {

Header Example() {
  Header header;
  header.source = *SocketAddress::Parse("192.0.2.1:56324");
  header.destination = *SocketAddress::Parse("198.51.100.2:443");
  header.alpn = "h2";
  header.authority = "orders.internal";
  header.ssl = SslInfo{7, 0, "TLSv1.3", "api", "TLS_AES_128_GCM_SHA256", "SHA256", "EC256"};
  header.others = {{kClientUri, "spiffe://prod/ns/orders/sa/api"}};
  return header;
}

void Decode(const std::string& bytes, benchmark::State& state) {
  for (auto _ : state) {
    Decoder decoder;
    const auto result =
        decoder.Feed({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
    if (result.progress != Decoder::Progress::kWhole) state.SkipWithError("not a header");
    benchmark::DoNotOptimize(decoder.header());
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * bytes.size()));
}

void ProxyEncodeLine(benchmark::State& state) {
  const Header header = Example();
  for (auto _ : state) benchmark::DoNotOptimize(EncodeLine(header.source, header.destination));
}
BENCHMARK(ProxyEncodeLine);

void ProxyDecodeLine(benchmark::State& state) {
  const Header header = Example();
  Decode(EncodeLine(header.source, header.destination), state);
}
BENCHMARK(ProxyDecodeLine);

void ProxyEncodeBinary(benchmark::State& state) {
  const Header header = Example();
  for (auto _ : state) benchmark::DoNotOptimize(EncodeBinary(header));
}
BENCHMARK(ProxyEncodeBinary);

void ProxyDecodeBinary(benchmark::State& state) { Decode(EncodeBinary(Example()).bytes, state); }
BENCHMARK(ProxyDecodeBinary);

}  // namespace
}  // namespace tlsbridge::proxy_protocol
