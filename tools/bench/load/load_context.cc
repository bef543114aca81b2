#include "tools/bench/load/load_context.h"

#include <algorithm>

#include "tools/bench/load/clock.h"

namespace tlsbridge::bench {
namespace {

constexpr absl::Duration kStall = absl::Seconds(10);
constexpr size_t kBufferBytes = 256 * 1024;

}  // namespace

LoadContext::LoadContext(const Options& given)
    : options(given), meter(given.cpu_of), buffer(kBufferBytes) {}

absl::StatusOr<std::unique_ptr<LoadContext>> LoadContext::Create(const Options& options) {
  std::unique_ptr<LoadContext> context(new LoadContext(options));
  if (options.tls.has_value()) {
    auto tls = TlsClient::Create(*options.tls);
    if (!tls.ok()) return tls.status();
    context->tls = *std::move(tls);
  }
  return context;
}

bool LoadContext::RunUntil(absl::FunctionRef<bool()> done,
                           absl::FunctionRef<absl::Duration()> next_wake) {
  uint64_t seen = tally.progress();
  absl::Duration moved = MonotonicNow();
  while (!done()) {
    const absl::Duration now = MonotonicNow();
    if (tally.progress() != seen) {
      seen = tally.progress();
      moved = now;
    } else if (now - moved > kStall) {
      tally.Error(ErrorKind::kStalled, "nothing moved for 10 s");
      return false;
    }
    poller.Turn(std::min(next_wake(), moved + kStall + absl::Milliseconds(1)) - now);
  }
  return true;
}

bool LoadContext::RunUntil(absl::FunctionRef<bool()> done) {
  return RunUntil(done, [] { return absl::InfiniteDuration(); });
}

void LoadContext::RunUntilTime(absl::Duration end) {
  for (absl::Duration now = MonotonicNow(); now < end; now = MonotonicNow()) {
    poller.Turn(end - now);
  }
}

}  // namespace tlsbridge::bench
