// The real program, run as its operator would run it, and what it tells by its JSON log.
//
// Threads: one owns it. Lifetime: the destructor kills the program if it still runs.
// Failure: statuses and empty results carry or leave behind what the program wrote: see Output().
//
// The log that this relies on, an event a line on stderr:
//   {"event":"listening","address":"127.0.0.1:43211"}    one for each listener, in order
//   {"event":"ready"}
//   {"event":"connection_end", ...}                      one for each connection
//   {"event":"dump","live":{"records":N,"sockets":N,"timers":N,"queued_bytes":N},"records":[...]}
//                                                        after SIGUSR1
//   {"event":"summary","live":{...},"reasons":{...}}     before it exits

#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/harness/event_log.h"
#include "tests/e2e/harness/process.h"

namespace tlsbridge::e2e {

struct TlsbridgeOptions {
  std::string subcommand = "sidecar";
  // A --listen for each. Empty for "run", whose configuration file has the listeners and must ask
  // for a log in JSON.
  std::vector<std::string> listen = {"127.0.0.1:0"};
  // Everything else, as on the command line.
  std::vector<std::string> arguments;
  std::map<std::string, std::string> environment;
  // A command that becomes the program, such as {"prlimit", "--nofile=100"}.
  std::vector<std::string> wrapper;
};

class Tlsbridge {
 public:
  using Predicate = EventLog::Predicate;

  // Returns once the program is ready. The binary is what $TLSBRIDGE_BINARY names: the rule
  // e2e_test sets it.
  static absl::StatusOr<std::unique_ptr<Tlsbridge>> Start(const TlsbridgeOptions& options);

  // Where the listeners really are, in the order of the configuration.
  const std::vector<std::string>& addresses() const { return addresses_; }
  const std::string& address() const { return addresses_.at(0); }
  int Port(size_t listener = 0) const;

  Process& process() { return *process_; }

  std::optional<nlohmann::json> WaitForEvent(
      absl::string_view name, const Predicate& predicate = [](const auto&) { return true; },
      absl::Duration timeout = kPatience) const;

  // The first `count` of that name, or fewer if they do not come; and all that there are.
  std::vector<nlohmann::json> WaitForEvents(absl::string_view name, size_t count) const;
  std::vector<nlohmann::json> Events(absl::string_view name) const { return log_.Named(name); }

  // The connections that have ended so far.
  std::vector<nlohmann::json> Connections() const;
  // The first `count` that end, or fewer if they do not.
  std::vector<nlohmann::json> WaitForConnections(size_t count) const;

  // What is alive now. Null when the program does not answer.
  nlohmann::json Dump();

  // Makes it read its configuration again; the event that says how that went, "reloaded" or
  // "reload_refused". Null when the program does not answer. REQUIRES: no SIGHUP but by this.
  nlohmann::json Reload();

  // Asks it to drain and end; its exit code, or nothing when it still runs. Later calls say the
  // same.
  std::optional<int> Stop();
  // Null until it has stopped orderly.
  const nlohmann::json& summary() const { return summary_; }

  // All it wrote to stderr, for messages.
  std::string Output() const { return process_->StderrText(); }

 private:
  Tlsbridge() = default;

  EventLog log_;
  size_t dumps_ = 0;
  size_t reloads_ = 0;
  std::vector<std::string> addresses_;
  nlohmann::json summary_;
  std::unique_ptr<Process> process_;  // Last: its thread writes to log_.
};

}  // namespace tlsbridge::e2e
