#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <optional>
#include <string>

#include "tools/bench/load/echo_run.h"
#include "tools/bench/load/modes.h"
#include "tools/bench/load/report.h"
#include "tools/bench/net/unique_fd.h"

namespace tlsbridge::bench {
namespace {

// The storm outlasts the echoes that are measured during it.
constexpr absl::Duration kTail = absl::Milliseconds(200);

Options StormOptions(const Options& options) {
  Options storm = options;
  storm.mode = Mode::kHandshake;
  storm.connections = options.storm_connections;
  storm.rate_per_second = options.storm_rate;
  storm.duration = options.warmup + options.duration + kTail;
  storm.warmup = absl::ZeroDuration();
  storm.cpu_of.clear();
  return storm;
}

std::string RunChild(const Options& options) {
  auto context = LoadContext::Create(options);
  if (!context.ok()) return "";
  const RunResult result = RunHandshakes(**context);
  return MakeReport(**context, result).dump();
}

bool SetPolicy(int policy) {
  const sched_param priority = {.sched_priority = policy == SCHED_FIFO ? 1 : 0};
  return sched_setscheduler(0, policy, &priority) == 0;
}

// Keeps its core from sleeping: in a virtual machine it takes a millisecond, now and then, to wake
// one up. It takes only what nobody else wants. A process, so that its CPU is not ours.
class Insomnia {
 public:
  Insomnia() : pid_(fork()) {
    if (pid_ != 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!SetPolicy(SCHED_IDLE)) _exit(1);
    while (true) sched_yield();
  }
  ~Insomnia() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  Insomnia(const Insomnia&) = delete;
  Insomnia& operator=(const Insomnia&) = delete;

 private:
  const pid_t pid_;
};

// A process of its own, so that its work is not in the way of the echoes' clock.
class StormProcess {
 public:
  StormProcess(const Options& options, int policy) {
    int go[2], answer[2];
    if (pipe(go) != 0 || pipe(answer) != 0) return;
    pid_ = fork();
    if (pid_ == 0) {
      close(go[1]);
      close(answer[0]);
      SetPolicy(policy);
      Child(options, go[0], answer[1]);
    }
    close(go[0]);
    close(answer[1]);
    go_ = UniqueFd(go[1]);
    answer_ = UniqueFd(answer[0]);
  }
  ~StormProcess() {
    go_.Reset();  // Not told to go, the child ends.
    if (pid_ > 0) waitpid(pid_, nullptr, 0);
  }
  StormProcess(const StormProcess&) = delete;
  StormProcess& operator=(const StormProcess&) = delete;

  bool Go() { return pid_ > 0 && write(go_.get(), "g", 1) == 1; }
  nlohmann::ordered_json AwaitReport() {
    std::string text;
    char chunk[4096];
    for (ssize_t n; (n = read(answer_.get(), chunk, sizeof(chunk))) > 0;) text.append(chunk, n);
    return nlohmann::ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
  }

 private:
  [[noreturn]] static void Child(const Options& options, int go, int answer) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    char byte;
    if (read(go, &byte, 1) != 1) _exit(0);
    const std::string report = RunChild(StormOptions(options));
    const bool written =
        write(answer, report.data(), report.size()) == static_cast<ssize_t>(report.size());
    _exit(written ? 0 : 1);
  }

  pid_t pid_ = -1;
  UniqueFd go_, answer_;
};

}  // namespace

RunResult RunStorm(LoadContext& context) {
  // The storm takes what the echoing client and the backend leave of their core. With an equal
  // share its own work, not the proxy's, would be most of the latency. Who may not put itself first
  // puts the storm last, which says less: the kernel's own work then comes before the echoes.
  const bool first = SetPolicy(SCHED_FIFO);
  StormProcess storm(context.options, first ? SCHED_OTHER : SCHED_IDLE);
  std::optional<Insomnia> insomnia;
  if (first) insomnia.emplace();
  EchoRun run(context);
  if (!run.Establish() || !storm.Go()) return run.TakeResult();
  run.Measure();
  run.Finish();
  RunResult result = run.TakeResult();
  const auto report = storm.AwaitReport();
  if (!report.is_object() || !report.value("valid", false)) {
    context.tally.Error(ErrorKind::kHandshake, "the storm's own handshakes failed");
  }
  result.extra["storm"] = report;
  result.extra["echoes_first"] = first;
  return result;
}

}  // namespace tlsbridge::bench
