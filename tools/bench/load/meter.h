// The window of time that a figure is taken from.
#pragma once

#include <unistd.h>

#include <optional>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "tools/bench/load/clock.h"

namespace tlsbridge::bench {

class Meter {
 public:
  // `watched` are the processes of the proxy.
  explicit Meter(std::vector<pid_t> watched) : watched_(std::move(watched)) {}

  void Start() {
    running_ = true;
    proxy_cpu_ = CpuTimeOf(watched_);
    own_cpu_ = CpuTimeOf({getpid()});
    started_ = MonotonicNow();
  }
  void Stop() {
    running_ = false;
    elapsed_ = MonotonicNow() - started_;
    proxy_cpu_ = Difference(CpuTimeOf(watched_), proxy_cpu_);
    own_cpu_ = Difference(CpuTimeOf({getpid()}), own_cpu_);
  }

  bool running() const { return running_; }
  // These hold once stopped. CPU times are empty when they could not be read at both ends.
  absl::Duration elapsed() const { return elapsed_; }
  std::optional<absl::Duration> proxy_cpu() const { return proxy_cpu_; }
  std::optional<absl::Duration> own_cpu() const { return own_cpu_; }
  bool watches_proxy() const { return !watched_.empty(); }

 private:
  static std::optional<absl::Duration> Difference(std::optional<absl::Duration> end,
                                                  std::optional<absl::Duration> begin) {
    if (!end || !begin) return std::nullopt;
    return *end - *begin;
  }

  std::vector<pid_t> watched_;
  bool running_ = false;
  absl::Duration started_;
  absl::Duration elapsed_;
  std::optional<absl::Duration> proxy_cpu_;
  std::optional<absl::Duration> own_cpu_;
};

}  // namespace tlsbridge::bench
