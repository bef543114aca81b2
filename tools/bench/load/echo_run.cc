#include "tools/bench/load/echo_run.h"

#include <algorithm>

#include "tools/bench/load/clock.h"

namespace tlsbridge::bench {

bool EchoRun::Establish() {
  return EstablishAll(
      context_, [this](EchoClient& client, absl::Duration asked) { OnEcho(client, asked); },
      &clients_);
}

void EchoRun::OnEcho(EchoClient& client, absl::Duration asked) {
  const bool at_rate = context_.options.rate_per_second > 0;
  const absl::Duration now = MonotonicNow();
  // At a rate, what was wanted within the window counts even if it comes back after its end: those
  // are the slow ones.
  if (at_rate ? asked >= counted_from_ : context_.meter.running()) {
    ++result_.operations;
    result_.latency.Record(now - asked);
  }
  if (again_) client.Ask(now);
}

void EchoRun::MeasureClosedLoop() {
  const absl::Duration begin = MonotonicNow() + context_.options.warmup;
  again_ = true;
  for (const auto& client : clients_) client->AskAndSend(MonotonicNow());
  context_.RunUntilTime(begin);
  context_.meter.Start();
  context_.RunUntilTime(begin + context_.options.duration);
  context_.meter.Stop();
  again_ = false;
}

void EchoRun::MeasureAtRate() {
  const absl::Duration interval = absl::Seconds(1) / context_.options.rate_per_second;
  const absl::Duration start = MonotonicNow();
  counted_from_ = start + context_.options.warmup;
  const absl::Duration end = counted_from_ + context_.options.duration;
  size_t asked = 0;
  for (absl::Duration next = start; next < end; next = start + interval * asked) {
    context_.RunUntilTime(next);
    if (!context_.meter.running() && next >= counted_from_) context_.meter.Start();
    clients_[asked % clients_.size()]->AskAndSend(next);
    ++asked;
  }
  context_.RunUntilTime(end);
  context_.meter.Stop();
}

void EchoRun::Measure() {
  context_.options.rate_per_second > 0 ? MeasureAtRate() : MeasureClosedLoop();
  context_.RunUntil([this] { return AllIdle(); });
}

bool EchoRun::AllIdle() const {
  return std::all_of(clients_.begin(), clients_.end(),
                     [](const auto& client) { return client->idle(); });
}

void EchoRun::Finish() {
  for (const auto& client : clients_) {
    if (client->open()) client->Close();
  }
  context_.RunUntil([this] {
    return std::all_of(clients_.begin(), clients_.end(),
                       [](const auto& client) { return client->closed(); });
  });
}

RunResult RunRoundtrips(LoadContext& context) {
  EchoRun run(context);
  if (run.Establish()) run.Measure();
  run.Finish();
  return run.TakeResult();
}

}  // namespace tlsbridge::bench
