#include "tools/bench/load/options.h"

#include <array>
#include <initializer_list>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tools/bench/net/pattern.h"

namespace tlsbridge::bench {
namespace {

constexpr std::array<std::pair<absl::string_view, Mode>, 5> kModes = {{
    {"handshake", Mode::kHandshake},
    {"roundtrip", Mode::kRoundtrip},
    {"bulk", Mode::kBulk},
    {"idle", Mode::kIdle},
    {"storm", Mode::kStorm},
}};

// Collects the first mistake, so that the checks below read as a list.
class Checker {
 public:
  explicit Checker(Mode mode) : mode_(mode) {}

  void Require(bool holds, absl::string_view what) {
    if (!holds && status_.ok()) status_ = absl::InvalidArgumentError(what);
  }
  // The option is given only with one of these modes.
  void OnlyWith(bool given, absl::string_view option, std::initializer_list<Mode> modes) {
    for (const Mode mode : modes) given = given && mode != mode_;
    Require(!given, absl::StrCat("--", option, " does not apply to ", ModeName(mode_)));
  }
  const absl::Status& status() const { return status_; }

 private:
  Mode mode_;
  absl::Status status_;
};

template <typename T>
void TakeIfGiven(const std::optional<T>& given, T& into) {
  if (given.has_value()) into = *given;
}

void CheckTls(const RawOptions& raw, Options& options, Checker& check) {
  const bool any = raw.tls || raw.cipher || raw.group || raw.sni || raw.resume;
  check.Require(raw.plain || !raw.hello, "--hello needs --plain");
  options.hello = raw.hello;
  if (raw.plain) {
    check.Require(!any, "--plain excludes --tls, --cipher, --group, --sni and --resume");
    return;
  }
  TlsOptions& tls = options.tls.emplace();
  TakeIfGiven(raw.tls, tls.version);
  TakeIfGiven(raw.cipher, tls.cipher);
  TakeIfGiven(raw.group, tls.group);
  TakeIfGiven(raw.sni, tls.sni);
  check.Require(tls.version == "1.2" || tls.version == "1.3", "--tls must be 1.2 or 1.3");
}

void CheckApplicability(const RawOptions& raw, Checker& check) {
  check.OnlyWith(raw.count.has_value(), "count", {Mode::kHandshake});
  check.OnlyWith(raw.resume, "resume", {Mode::kHandshake});
  check.OnlyWith(raw.nagle, "nagle", {Mode::kHandshake});
  check.OnlyWith(raw.closer.has_value(), "closer", {Mode::kHandshake});
  check.OnlyWith(raw.size.has_value(), "size", {Mode::kRoundtrip, Mode::kStorm});
  check.OnlyWith(raw.rate.has_value(), "rate", {Mode::kRoundtrip, Mode::kStorm});
  check.OnlyWith(raw.bytes.has_value(), "bytes", {Mode::kBulk});
  check.OnlyWith(raw.direction.has_value(), "direction", {Mode::kBulk});
  check.OnlyWith(raw.storm_connections.has_value(), "storm_connections", {Mode::kStorm});
  check.OnlyWith(raw.storm_rate.has_value(), "storm_rate", {Mode::kStorm});
  check.OnlyWith(raw.duration.has_value(), "duration",
                 {Mode::kHandshake, Mode::kRoundtrip, Mode::kIdle, Mode::kStorm});
  check.OnlyWith(raw.warmup.has_value(), "warmup",
                 {Mode::kHandshake, Mode::kRoundtrip, Mode::kStorm});
}

void CheckLimits(const RawOptions& raw, Options& options, Checker& check) {
  const Mode mode = options.mode;
  options.connections = raw.connections.value_or(mode == Mode::kBulk ? 4 : 32);
  options.duration = raw.duration.value_or(mode == Mode::kIdle || mode == Mode::kBulk || raw.count
                                               ? absl::ZeroDuration()
                                               : absl::Seconds(2));
  options.warmup = raw.warmup.value_or(raw.count || mode == Mode::kBulk || mode == Mode::kIdle
                                           ? absl::ZeroDuration()
                                           : absl::Milliseconds(300));
  TakeIfGiven(raw.count, options.count);
  TakeIfGiven(raw.size, options.size_bytes);
  TakeIfGiven(raw.rate, options.rate_per_second);
  options.total_bytes = raw.bytes.value_or(256'000'000);
  options.storm_connections = raw.storm_connections.value_or(64);

  check.Require(options.connections > 0, "--connections must be positive");
  check.Require(options.storm_connections > 0, "--storm_connections must be positive");
  TakeIfGiven(raw.storm_rate, options.storm_rate);
  check.Require(!raw.storm_rate || *raw.storm_rate > 0, "--storm_rate must be positive");
  check.Require(!raw.count || *raw.count > 0, "--count must be positive");
  check.Require(!raw.count || !raw.duration, "--count and --duration exclude each other");
  check.Require(!raw.duration || *raw.duration > absl::ZeroDuration(),
                "--duration must be positive");
  check.Require(options.warmup >= absl::ZeroDuration(), "--warmup must not be negative");
  check.Require(options.size_bytes > 0 && options.size_bytes <= kPatternLongestSlice,
                absl::StrCat("--size must be from 1 to ", kPatternLongestSlice));
  check.Require(!raw.rate || *raw.rate > 0, "--rate must be positive");
  check.Require(mode != Mode::kStorm || raw.rate, "storm needs --rate");
  check.Require(options.total_bytes >= static_cast<uint64_t>(options.connections),
                "--bytes must be at least one for each connection");
}

void CheckNames(const RawOptions& raw, Options& options, Checker& check) {
  if (raw.direction) {
    check.Require(*raw.direction == "download" || *raw.direction == "upload",
                  "--direction must be download or upload");
    if (*raw.direction == "upload") options.direction = Direction::kUpload;
  }
  if (raw.closer) {
    check.Require(*raw.closer == "client" || *raw.closer == "backend",
                  "--closer must be client or backend");
    if (*raw.closer == "backend") options.closer = Closer::kBackend;
  }
  options.resume = raw.resume;
  options.nagle = raw.nagle;
  for (const std::string& text : raw.cpu_of) {
    pid_t pid = 0;
    check.Require(absl::SimpleAtoi(text, &pid) && pid > 0,
                  absl::StrCat("--cpu_of: '", text, "' is not a process id"));
    options.cpu_of.push_back(pid);
  }
}

}  // namespace

absl::string_view ModeName(Mode mode) {
  for (const auto& [name, value] : kModes) {
    if (value == mode) return name;
  }
  return "unknown";
}

absl::StatusOr<Options> CheckOptions(absl::string_view mode, const RawOptions& raw) {
  Options options;
  bool known = false;
  for (const auto& [name, value] : kModes) {
    if (name != mode) continue;
    options.mode = value;
    known = true;
  }
  if (!known) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", mode, "' is no mode: write handshake, roundtrip, bulk, idle or storm"));
  }
  const auto address = Address::Parse(raw.connect);
  if (!address.ok()) return address.status();
  options.connect = *address;

  Checker check(options.mode);
  CheckTls(raw, options, check);
  CheckApplicability(raw, check);
  CheckLimits(raw, options, check);
  CheckNames(raw, options, check);
  if (!check.status().ok()) return check.status();
  return options;
}

}  // namespace tlsbridge::bench
