#include "tools/chaos/chaos_run.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace tlsbridge::chaos {
namespace {

constexpr absl::string_view kModeNames[kBackendModes] = {
    "client_first", "backend_first", "backend_refuses", "backend_resets", "backend_never_answers"};
constexpr absl::Duration kSettlePatience = absl::Seconds(20);
constexpr absl::Duration kTurn = absl::Milliseconds(100);
constexpr int64_t kAllowedGrowthBytes = 2 << 20;

// Short, but longer than any pause of a plan, even when everything is slow. None is shorter than
// kShortestTimeout but that for connecting.
std::string Seconds(int64_t seconds) { return absl::StrCat(seconds * (kSanitized ? 2 : 1), "s"); }

std::vector<std::string> Timeouts() {
  return {"--handshake-timeout",    Seconds(8), "--connect-timeout",    Seconds(1),
          "--initial-data-timeout", Seconds(4), "--inactivity-timeout", Seconds(6),
          "--half-close-timeout",   Seconds(4)};
}

std::string TimeoutsInYaml() {
  return absl::StrCat("{handshake: ", Seconds(8), ", connect: ", Seconds(1),
                      ", initial_data: ", Seconds(4), ", inactivity: ", Seconds(6),
                      ", half_close: ", Seconds(4), "}");
}

// Of so many connections one is on a route that is taken away now and then.
constexpr uint64_t kRemovableOneIn = 4;

uint64_t Sum(const nlohmann::json& counts) {
  uint64_t sum = 0;
  for (const auto& [name, count] : counts.items()) sum += count.get<uint64_t>();
  return sum;
}

}  // namespace

ChaosRun::ChaosRun(const Options& options) : options_(options), ledger_(options.seed, &world_) {
  ledger_.set_verbose(options.only.has_value());
  ledger_.set_explain([this](const Case& c) { return Explain(c); });
}

absl::Status ChaosRun::Start() {
  auto certificate = CertificateFiles::Create();
  if (!certificate.ok()) return certificate.status();
  certificate_ = *std::move(certificate);
  if (options_.change_every > absl::ZeroDuration()) {
    names_ = std::make_shared<NameServer>(&world_);
    if (absl::Status status = names_->Open(); !status.ok()) return status;
    next_change_ = World::Now() + options_.change_every;
  }
  stages_.resize(kBackendModes);
  for (int mode = 0; mode < kBackendModes; ++mode) {
    const absl::Status status = StartStage(static_cast<BackendMode>(mode));
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status ChaosRun::StartStage(BackendMode mode) {
  Stage& stage = stages_[static_cast<size_t>(mode)];
  stage.backend = std::make_shared<Backend>(mode, &world_, &ledger_, options_.patience);
  if (absl::Status status = stage.backend->Open(); !status.ok()) return status;
  auto program = StartProgram(stage);
  if (!program.ok()) return program.status();
  stage.program = *std::move(program);
  for (int tls13 = 0; tls13 < 2; ++tls13) {
    stage.tls[tls13] = std::make_unique<TlsClientContext>(tls13 == 1);
    stage.around[tls13][0] = {
        .world = &world_,
        .ledger = &ledger_,
        .program = stage.program->address(),
        .tls = stage.tls[tls13].get(),
        .on_token = [backend = stage.backend.get()](
                        uint64_t token, uint64_t number) { backend->Claim(token, number); },
        .on_done =
            [this](Client* client) {
              const auto found = clients_.find(client);
              world_.Bury(std::move(found->second));
              clients_.erase(found);
            },
        .patience = options_.patience,
    };
    stage.around[tls13][1] = stage.around[tls13][0];
    if (stage.changes == nullptr) continue;
    stage.around[tls13][0].program = stage.changes->lasting();
    stage.around[tls13][1].program = stage.changes->removable();
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<Program>> ChaosRun::StartProgram(Stage& stage) {
  if (names_ != nullptr) {
    stage.changes =
        std::make_unique<Changes>(Changes::Surroundings{.mode = stage.backend->mode(),
                                                        .backend = stage.backend->address(),
                                                        .certificate = certificate_.get(),
                                                        .names = names_.get(),
                                                        .timeouts = TimeoutsInYaml(),
                                                        .connections = 4 * options_.parallel,
                                                        .seed = options_.seed});
    if (absl::Status status = stage.changes->Open(); !status.ok()) return status;
    return Program::StartWith(&world_, options_.tlsbridge, stage.changes->path());
  }
  std::vector<std::string> arguments = Timeouts();
  arguments.insert(arguments.end(),
                   {"--cert", certificate_->certificate(), "--key", certificate_->key()});
  return Program::Start(&world_, options_.tlsbridge, stage.backend->address(), arguments);
}

void ChaosRun::ChangeIfDue() {
  if (World::Now() < next_change_) return;
  next_change_ = World::Now() + options_.change_every;
  const Stage& stage = stages_[change_of_++ % stages_.size()];
  if (absl::Status status = stage.changes->Next(); !status.ok()) {
    ledger_.Violation(absl::StrCat("a change could not be made: ", status.ToString()));
  }
  stage.program->Reload();
}

void ChaosRun::Launch(uint64_t number) {
  const Plan plan = DrawPlan(options_.seed, number);
  const Stage& stage = stages_[static_cast<size_t>(plan.mode)];
  const bool removable = stage.changes != nullptr && number % kRemovableOneIn == 0;
  auto client = std::make_shared<Client>(stage.around[plan.tls13 ? 1 : 0][removable ? 1 : 0]);
  clients_[client.get()] = client;
  Case* c = ledger_.Begin(number, client, removable);
  client->Start(c);
}

void ChaosRun::Run(uint64_t first, uint64_t last) {
  uint64_t next = first;
  while (next < last || ledger_.active() > 0) {
    while (next < last && ledger_.active() < options_.parallel) Launch(next++);
    ChangeIfDue();
    world_.Turn(std::clamp(next_change_ - World::Now(), absl::ZeroDuration(), kTurn));
  }
  Settle();
}

// Lets backends take notice of what has ended.
void ChaosRun::Settle() {
  const absl::Time deadline = World::Now() + options_.patience;
  const auto live = [this] {
    return std::any_of(stages_.begin(), stages_.end(),
                       [](const Stage& stage) { return stage.backend->live() > 0; });
  };
  while (live() && World::Now() < deadline) world_.Turn(absl::Milliseconds(10));
}

void ChaosRun::ExpectEmpty() {
  for (size_t mode = 0; mode < stages_.size(); ++mode) {
    Program& program = *stages_[mode].program;
    if (program.WaitUntilEmpty(kSettlePatience)) continue;
    ledger_.Violation(
        absl::StrCat("program ", kModeNames[mode],
                     " has something alive after the last connection: ", program.last_dump()));
  }
  Settle();
}

std::vector<int64_t> ChaosRun::Rss() const {
  std::vector<int64_t> rss;
  for (const Stage& stage : stages_) rss.push_back(stage.program->RssBytes());
  return rss;
}

void ChaosRun::ExpectNoGrowth(const std::vector<int64_t>& before) {
  if (kSanitized) return;
  const absl::Time deadline = World::Now() + kSettlePatience;
  for (size_t mode = 0; mode < stages_.size(); ++mode) {
    const Program& program = *stages_[mode].program;
    const int64_t allowed = before[mode] + before[mode] / 10 + kAllowedGrowthBytes;
    while (program.RssBytes() > allowed && World::Now() < deadline) world_.Turn(kTurn);
    if (program.RssBytes() > allowed) {
      ledger_.Violation(absl::StrCat("program ", kModeNames[mode], " has grown from ",
                                     before[mode] / 1024, " to ", program.RssBytes() / 1024,
                                     " KiB"));
    }
  }
}

void ChaosRun::Stop() {
  ledger_.Close();
  for (size_t mode = 0; mode < stages_.size(); ++mode) {
    Stage& stage = stages_[mode];
    const std::optional<int> code = stage.program->Stop(kSettlePatience);
    if (code != 0) {
      ledger_.Violation(absl::StrCat("program ", kModeNames[mode], " ended with ",
                                     code ? absl::StrCat(*code) : "nothing",
                                     "; it wrote: ", stage.program->other_output()));
    }
    CheckSummary(stage);
  }
}

void ChaosRun::CheckSummary(const Stage& stage) {
  const BackendMode mode = stage.backend->mode();
  const std::string name = absl::StrCat("program ", kModeNames[static_cast<size_t>(mode)]);
  const nlohmann::json& summary = stage.program->summary();
  if (summary.is_null()) return ledger_.Violation(name + " wrote no summary");
  const uint64_t reasons = Sum(summary["reasons"]);
  const uint64_t incoming = Sum(summary["incoming"]);
  const uint64_t outgoing = Sum(summary["outgoing"]);
  const uint64_t connected = ledger_.connected_to(mode);
  const uint64_t removable = ledger_.removable_of(mode);
  const auto expect = [this, &name](uint64_t found, uint64_t least, uint64_t most,
                                    absl::string_view what) {
    if (found >= least && found <= most) return;
    ledger_.Violation(absl::StrCat(name, ": ", what, " is ", found, ", not ", least,
                                   least == most ? "" : absl::StrCat(" to ", most)));
  };
  expect(reasons, connected - removable, connected, "the sum of the reasons");
  expect(incoming, reasons, reasons, "the sum of the incoming reasons");
  if (mode != BackendMode::kRefuses && mode != BackendMode::kNeverAnswers) {
    // A client may leave while another backend, which refuses, is dialled.
    const uint64_t most = stage.changes == nullptr ? stage.backend->accepted() : connected;
    expect(outgoing, stage.backend->accepted(), most, "the sum of the outgoing reasons");
  }
  CheckChanges(stage, name);
  const auto& live = summary["live"];
  expect(live["records"], 0, 0, "live records at the end");
  expect(live["sockets"], 0, 0, "live sockets at the end");
  expect(live["timers"], 0, 0, "live timers at the end");

  const auto& bounds = ledger_.reasons_of(mode);
  for (const auto& [reason, value] : summary["reasons"].items()) {
    const auto count = value.get<uint64_t>();
    reasons_[reason] += count;
    const auto bound = bounds.find(reason);
    const uint64_t most = bound == bounds.end() ? 0 : bound->second.most;
    if (count > most) {
      ledger_.Violation(
          absl::StrCat(name, ": ", reason, " was counted ", count, " times; only ", most,
                       " plans allow it; the last: ", stage.program->LogOfReason(reason)));
    }
  }
  for (const auto& [reason, bound] : bounds) {
    const auto count = summary["reasons"].value(reason, uint64_t{0});
    if (count < bound.least) {
      ledger_.Violation(absl::StrCat(name, ": ", reason, " was counted ", count, " times; ",
                                     bound.least, " plans allow nothing else"));
      for (const int port : bound.ports) {
        const std::string line = stage.program->LogOf(port);
        if (!absl::StrContains(line, reason)) printf("  one of them: %s\n", line.c_str());
      }
    }
  }
}

// That a run without faults is no run without changes.
void ChaosRun::CheckChanges(const Stage& stage, const std::string& name) {
  if (stage.changes == nullptr || stage.changes->made() < 20) return;
  const Program& program = *stage.program;
  changes_ += stage.changes->made();
  reloads_ += program.reloads();
  refused_reloads_ += program.refused_reloads();
  if (program.reloads() < stage.changes->made() / 4) {
    ledger_.Violation(absl::StrCat(name, " reloaded only ", program.reloads(), " of ",
                                   stage.changes->made(), " changes"));
  }
  if (stage.changes->wrong() >= 5 && program.refused_reloads() == 0) {
    ledger_.Violation(absl::StrCat(name, " refused none of ", stage.changes->wrong(),
                                   " configurations that are wrong"));
  }
}

std::string ChaosRun::Explain(const Case& c) const {
  return stages_[static_cast<size_t>(c.plan.mode)].program->LogOf(c.client.port);
}

void ChaosRun::Report(absl::Duration took, const std::vector<int64_t>& before,
                      const std::vector<int64_t>& after) const {
  printf("seed %lu: %lu connections in %.1f s, %.0f a second; %.1f MiB checked\n",
         static_cast<unsigned long>(options_.seed), static_cast<unsigned long>(ledger_.begun()),
         absl::ToDoubleSeconds(took),
         static_cast<double>(ledger_.begun()) / absl::ToDoubleSeconds(took),
         static_cast<double>(ledger_.bytes_checked()) / (1 << 20));
  printf("plans:");
  for (int kind = 0; kind < kKinds; ++kind) {
    printf(" %s %lu", std::string(KindName(static_cast<Kind>(kind))).c_str(),
           static_cast<unsigned long>(ledger_.begun_of(static_cast<Kind>(kind))));
  }
  printf("\nhandshakes cut at %zu different places (version, FIN or RST or close(), byte)\n",
         ledger_.handshake_cuts());
  if (names_ != nullptr) {
    printf("changes: %lu, of which %lu were taken and %lu refused; %lu questions for names\n",
           static_cast<unsigned long>(changes_), static_cast<unsigned long>(reloads_),
           static_cast<unsigned long>(refused_reloads_),
           static_cast<unsigned long>(names_->asked()));
  }
  printf("reasons:");
  for (const auto& [reason, count] : reasons_) {
    printf(" %s %lu", reason.c_str(), static_cast<unsigned long>(count));
  }
  printf("\nresident KiB, after the first tenth and at the end:");
  for (size_t mode = 0; mode < before.size(); ++mode) {
    printf(" %s %ld %ld", std::string(kModeNames[mode]).c_str(),
           static_cast<long>(before[mode] / 1024), static_cast<long>(after[mode] / 1024));
  }
  printf("%s\n%lu violations\n", kSanitized ? " (not judged: sanitized)" : "",
         static_cast<unsigned long>(ledger_.violations()));
}

int RunChaos(const Options& options) {
  ChaosRun run(options);
  if (const absl::Status status = run.Start(); !status.ok()) {
    fprintf(stderr, "chaos: %s\n", status.ToString().c_str());
    return 2;
  }
  const uint64_t first = options.only.value_or(0);
  const uint64_t last = options.only ? first + 1 : options.connections;
  const uint64_t warm = first + (last - first) / 10;
  const absl::Time begin = World::Now();
  run.Run(first, warm);
  run.ExpectEmpty();
  const std::vector<int64_t> before = run.Rss();
  run.Run(warm, last);
  const absl::Duration took = World::Now() - begin;
  run.ExpectEmpty();
  // A handful of connections says nothing about growth.
  if (last - first >= 1000) run.ExpectNoGrowth(before);
  const std::vector<int64_t> after = run.Rss();
  run.Stop();
  run.Report(took, before, after);
  return run.ledger().violations() == 0 ? 0 : 1;
}

}  // namespace tlsbridge::chaos
