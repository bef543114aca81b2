// The benchmark's load generator: one mode, one run, one JSON object on standard output.
//
// Exit status: 0 when the figure is valid, 1 when an error makes it invalid, 2 for a wrong command
// line.

#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/time/time.h"
#include "tools/bench/load/modes.h"
#include "tools/bench/load/options.h"
#include "tools/bench/load/report.h"

using std::optional;
using std::string;

ABSL_FLAG(string, connect, "", "address of the proxy");
ABSL_FLAG(bool, plain, false, "no TLS: for the relay that shows the floor");
ABSL_FLAG(
    bool, hello, false,
    "plain: begin with a ClientHello, for proxies that pass TLS through; the backend throws it "
    "away");
ABSL_FLAG(optional<string>, tls, {}, "1.2 or 1.3 (default 1.3)");
ABSL_FLAG(optional<string>, cipher, {}, "must be agreed upon; any by default");
ABSL_FLAG(optional<string>, group, {}, "the only group offered, such as X25519; any by default");
ABSL_FLAG(optional<string>, sni, {}, "name to ask for (default localhost)");
ABSL_FLAG(optional<int>, connections, {}, "at once (default 32; bulk 4)");
ABSL_FLAG(optional<absl::Duration>, duration, {},
          "of the measurement (default 2s; idle: until a line comes on standard input)");
ABSL_FLAG(optional<absl::Duration>, warmup, {}, "before the measurement (default 300ms)");
ABSL_FLAG(optional<uint64_t>, count, {}, "handshake: this many, instead of a duration");
ABSL_FLAG(bool, resume, false, "handshake: each resumes an earlier session");
ABSL_FLAG(bool, nagle, false, "handshake: a client that does not set TCP_NODELAY");
ABSL_FLAG(optional<string>, closer, {}, "handshake: client (default) or backend closes first");
ABSL_FLAG(optional<uint64_t>, size, {}, "roundtrip, storm: bytes of a message (default 100)");
ABSL_FLAG(optional<double>, rate, {},
          "roundtrip, storm: messages a second over all connections, each timed from when it "
          "should have been sent (default: each follows the last)");
ABSL_FLAG(optional<uint64_t>, bytes, {}, "bulk: over all connections (default 256000000)");
ABSL_FLAG(optional<string>, direction, {}, "bulk: download (default) or upload");
ABSL_FLAG(optional<int>, storm_connections, {}, "storm: handshakes at once (default 64)");
ABSL_FLAG(optional<double>, storm_rate, {},
          "storm: handshakes begun a second (default: each follows the last)");
ABSL_FLAG(std::vector<string>, cpu_of, {},
          "process ids of the proxy, whose CPU time within the measurement is reported");

namespace tlsbridge::bench {
namespace {

RawOptions OptionsFromFlags() {
  RawOptions raw;
  raw.connect = absl::GetFlag(FLAGS_connect);
  raw.plain = absl::GetFlag(FLAGS_plain);
  raw.hello = absl::GetFlag(FLAGS_hello);
  raw.tls = absl::GetFlag(FLAGS_tls);
  raw.cipher = absl::GetFlag(FLAGS_cipher);
  raw.group = absl::GetFlag(FLAGS_group);
  raw.sni = absl::GetFlag(FLAGS_sni);
  raw.connections = absl::GetFlag(FLAGS_connections);
  raw.duration = absl::GetFlag(FLAGS_duration);
  raw.warmup = absl::GetFlag(FLAGS_warmup);
  raw.count = absl::GetFlag(FLAGS_count);
  raw.size = absl::GetFlag(FLAGS_size);
  raw.bytes = absl::GetFlag(FLAGS_bytes);
  raw.rate = absl::GetFlag(FLAGS_rate);
  raw.direction = absl::GetFlag(FLAGS_direction);
  raw.closer = absl::GetFlag(FLAGS_closer);
  raw.resume = absl::GetFlag(FLAGS_resume);
  raw.nagle = absl::GetFlag(FLAGS_nagle);
  raw.storm_connections = absl::GetFlag(FLAGS_storm_connections);
  raw.storm_rate = absl::GetFlag(FLAGS_storm_rate);
  raw.cpu_of = absl::GetFlag(FLAGS_cpu_of);
  return raw;
}

RunResult RunMode(LoadContext& context) {
  switch (context.options.mode) {
    case Mode::kHandshake:
      return RunHandshakes(context);
    case Mode::kRoundtrip:
      return RunRoundtrips(context);
    case Mode::kBulk:
      return RunBulk(context);
    case Mode::kIdle:
      return RunIdle(context);
    case Mode::kStorm:
      return RunStorm(context);
  }
  return {};
}

int Main(const std::vector<char*>& arguments) {
  const auto options = CheckOptions(arguments.size() == 2 ? arguments[1] : "", OptionsFromFlags());
  if (!options.ok()) {
    std::fprintf(stderr, "load: %s\n", string(options.status().message()).c_str());
    return 2;
  }
  auto context = LoadContext::Create(*options);
  if (!context.ok()) {
    std::fprintf(stderr, "load: %s\n", string(context.status().message()).c_str());
    return 2;
  }
  const RunResult result = RunMode(**context);
  std::puts(MakeReport(**context, result).dump(2).c_str());
  return (*context)->tally.clean() ? 0 : 1;
}

}  // namespace
}  // namespace tlsbridge::bench

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage(
      "load handshake|roundtrip|bulk|idle|storm --connect=HOST:PORT [options]");
  return tlsbridge::bench::Main(absl::ParseCommandLine(argc, argv));
}
