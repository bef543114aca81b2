// What one run of the load generator is asked to do, checked.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "tools/bench/net/address.h"

namespace tlsbridge::bench {

enum class Mode { kHandshake, kRoundtrip, kBulk, kIdle, kStorm };
enum class Direction { kDownload, kUpload };
enum class Closer { kClient, kBackend };

absl::string_view ModeName(Mode mode);

struct TlsOptions {
  std::string version = "1.3";
  std::string cipher;  // Empty: whatever is agreed upon.
  std::string group;   // Empty: whatever is agreed upon.
  std::string sni = "localhost";
};

// What the command line says, where it says anything.
struct RawOptions {
  std::string connect;
  bool plain = false;
  bool hello = false;
  bool resume = false;
  bool nagle = false;
  std::optional<std::string> tls, cipher, group, sni;
  std::optional<int> connections;
  std::optional<absl::Duration> duration, warmup;
  std::optional<uint64_t> count, size, bytes;
  std::optional<double> rate;
  std::optional<std::string> direction, closer;
  std::optional<int> storm_connections;
  std::optional<double> storm_rate;
  std::vector<std::string> cpu_of;
};

struct Options {
  Mode mode;
  Address connect;
  std::optional<TlsOptions> tls;  // Empty: no TLS at all.
  bool hello = false;             // Plain bytes behind a ClientHello.
  int connections = 1;
  // Zero: until `count` operations are done, or, when idle, until a line comes on standard input.
  absl::Duration duration;
  absl::Duration warmup;
  uint64_t count = 0;
  uint64_t size_bytes = 100;
  uint64_t total_bytes = 0;
  double rate_per_second = 0;  // Zero: closed loop.
  Direction direction = Direction::kDownload;
  Closer closer = Closer::kClient;
  bool resume = false;
  bool nagle = false;
  int storm_connections = 0;
  double storm_rate = 0;  // handshakes a second; zero: as fast as they can be made
  std::vector<pid_t> cpu_of;
};

// Every option that the mode would not use is an error: a figure must be of what was asked for.
absl::StatusOr<Options> CheckOptions(absl::string_view mode, const RawOptions& raw);

}  // namespace tlsbridge::bench
