// What every byte that flows does to its connection's deadline: arms it anew, among many.

#include <memory>
#include <vector>

#include "absl/time/time.h"
#include "benchmark/benchmark.h"
#include "bridge/event/timer_wheel.h"

namespace tlsbridge {
namespace {

class Deadline final : public TimerWheel::Entry {
  void Expire() override {}
};

void TimerRearm(benchmark::State& state) {
  absl::Time now = absl::UnixEpoch();
  TimerWheel wheel(now);
  std::vector<std::unique_ptr<Deadline>> deadlines;
  for (int64_t i = 0; i < state.range(0); ++i) {
    deadlines.push_back(std::make_unique<Deadline>());
    wheel.Arm(deadlines.back().get(), now + absl::Minutes(1) + absl::Milliseconds(i % 60000));
  }
  size_t next = 0;
  for (auto _ : state) {
    now += absl::Microseconds(10);
    wheel.Arm(deadlines[next].get(), now + absl::Minutes(1));
    next = next + 1 == deadlines.size() ? 0 : next + 1;
  }
}
BENCHMARK(TimerRearm)->Arg(1)->Arg(1000)->Arg(100000);

}  // namespace
}  // namespace tlsbridge
