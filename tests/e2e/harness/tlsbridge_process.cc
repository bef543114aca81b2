#include "tests/e2e/harness/tlsbridge_process.h"

#include <signal.h>

#include <cstdlib>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace tlsbridge::e2e {
namespace {

std::vector<std::string> CommandLine(std::string binary, const TlsbridgeOptions& options) {
  std::vector<std::string> argv = options.wrapper;
  argv.insert(argv.end(), {std::move(binary), options.subcommand});
  // The configuration file of `run` says it itself.
  if (options.subcommand != "run") argv.insert(argv.end(), {"--log-format", "json"});
  for (const std::string& address : options.listen) {
    argv.insert(argv.end(), {"--listen", address});
  }
  argv.insert(argv.end(), options.arguments.begin(), options.arguments.end());
  return argv;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tlsbridge>> Tlsbridge::Start(const TlsbridgeOptions& options) {
  const char* binary = std::getenv("TLSBRIDGE_BINARY");
  if (binary == nullptr) return absl::FailedPreconditionError("TLSBRIDGE_BINARY is not set");

  std::unique_ptr<Tlsbridge> bridge(new Tlsbridge);
  EventLog& log = bridge->log_;
  auto process = Process::Start({
      .argv = CommandLine(binary, options),
      .environment = options.environment,
      .on_stderr_line = [&log](absl::string_view line) { log.AddLine(line); },
      .on_output_end = [&log] { log.Close(); },
  });
  if (!process.ok()) return process.status();
  bridge->process_ = *std::move(process);

  if (!bridge->WaitForEvent("ready")) {
    return absl::DeadlineExceededError(
        absl::StrCat("tlsbridge did not become ready; it wrote:\n", bridge->Output()));
  }
  for (const nlohmann::json& event : log.Named("listening")) {
    bridge->addresses_.push_back(event.value("address", ""));
  }
  return bridge;
}

int Tlsbridge::Port(size_t listener) const {
  const absl::string_view address = addresses_.at(listener);
  int port = 0;
  return absl::SimpleAtoi(address.substr(address.rfind(':') + 1), &port) ? port : -1;
}

std::optional<nlohmann::json> Tlsbridge::WaitForEvent(absl::string_view name,
                                                      const Predicate& predicate,
                                                      absl::Duration timeout) const {
  return log_.WaitFor(name, predicate, timeout);
}

std::vector<nlohmann::json> Tlsbridge::WaitForEvents(absl::string_view name, size_t count) const {
  return log_.WaitForCount(name, count);
}

std::vector<nlohmann::json> Tlsbridge::Connections() const { return log_.Named("connection_end"); }

std::vector<nlohmann::json> Tlsbridge::WaitForConnections(size_t count) const {
  return log_.WaitForCount("connection_end", count);
}

nlohmann::json Tlsbridge::Dump() {
  process_->SendSignal(SIGUSR1);
  ++dumps_;
  std::vector<nlohmann::json> dumps = log_.WaitForCount("dump", dumps_);
  if (dumps.size() < dumps_) return nullptr;
  return std::move(dumps.back());
}

nlohmann::json Tlsbridge::Reload() {
  process_->SendSignal(SIGHUP);
  ++reloads_;
  const auto is_answer = [](const nlohmann::json& event) {
    return event["event"] == "reloaded" || event["event"] == "reload_refused";
  };
  std::vector<nlohmann::json> answers = log_.WaitForCountIf(is_answer, reloads_);
  if (answers.size() < reloads_) return nullptr;
  return std::move(answers.back());
}

std::optional<int> Tlsbridge::Stop() {
  process_->SendSignal(SIGTERM);
  const std::optional<int> code = process_->WaitForExit();
  if (const auto summaries = log_.Named("summary"); !summaries.empty()) summary_ = summaries.back();
  return code;
}

}  // namespace tlsbridge::e2e
