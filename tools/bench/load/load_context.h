// What the connections of one run share.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "tools/bench/load/meter.h"
#include "tools/bench/load/options.h"
#include "tools/bench/load/tally.h"
#include "tools/bench/load/tls_client.h"
#include "tools/bench/net/poller.h"

namespace tlsbridge::bench {

// One thread. Outlives the connections.
struct LoadContext {
  static absl::StatusOr<std::unique_ptr<LoadContext>> Create(const Options& options);

  // Turns the loop until `done`, waking at least at `next_wake()` (an absolute time of
  // MonotonicNow). False when nothing has moved for so long that the proxy must have lost
  // something; that is counted as an error.
  bool RunUntil(absl::FunctionRef<bool()> done, absl::FunctionRef<absl::Duration()> next_wake);
  bool RunUntil(absl::FunctionRef<bool()> done);
  // Turns the loop until that moment. A stall is not looked for.
  void RunUntilTime(absl::Duration end);

  Options options;
  Poller poller;
  Tally tally;
  Meter meter;
  std::unique_ptr<TlsClient> tls;  // Null: plain.
  std::vector<char> buffer;        // Holds nothing between two calls.

 private:
  explicit LoadContext(const Options& given);
};

}  // namespace tlsbridge::bench
