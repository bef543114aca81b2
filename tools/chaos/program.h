// The program under test as a child process: its log, its numbers, its end.
//
// Thread: one. Owner: the run; the world outlives it. The destructor kills the child if it still
// runs. Failure: Start() says why; waits end at their deadline.
#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tools/bench/net/address.h"
#include "tools/bench/net/unique_fd.h"
#include "tools/chaos/world.h"

namespace tlsbridge::chaos {

class Program final : public Actor {
 public:
  // Added to our own.
  using Environment = std::vector<std::pair<std::string, std::string>>;

  // Starts `path` as a sidecar before `backend` and waits until it is ready.
  static absl::StatusOr<std::shared_ptr<Program>> Start(World* world, const std::string& path,
                                                        const bench::Address& backend,
                                                        std::vector<std::string> arguments,
                                                        const Environment& environment = {});
  // Starts `path` with the configuration file `config`.
  static absl::StatusOr<std::shared_ptr<Program>> StartWith(World* world, const std::string& path,
                                                            const std::string& config);
  ~Program() override;

  // Reads what the program has logged.
  void Step() override;

  pid_t pid() const { return pid_; }
  const bench::Address& address() const { return address_; }

  // Asks it to read its configuration again.
  void Reload() const;
  uint64_t reloads() const { return reloads_; }
  uint64_t refused_reloads() const { return refused_reloads_; }

  // Asks for a dump until one shows that nothing is alive. False: not within `patience`.
  bool WaitUntilEmpty(absl::Duration patience);
  // The newest dump, for messages.
  const std::string& last_dump() const { return last_dump_; }

  // SIGTERM; the exit code, 128 + a signal, or nothing when it does not end within `patience`.
  std::optional<int> Stop(absl::Duration patience);
  // The same of one that ends by itself.
  std::optional<int> WaitForEnd(absl::Duration patience);
  // Null until it has stopped in order.
  const nlohmann::json& summary() const { return summary_; }

  int64_t RssBytes() const { return ProcKib("status", "VmRSS:") * 1024; }
  int64_t PssBytes() const { return ProcKib("smaps_rollup", "Pss:") * 1024; }

  // The last line about the client at that port; empty if there was none.
  std::string LogOf(int client_port) const;
  // The last line that tells of that reason.
  std::string LogOfReason(const std::string& reason) const;
  // Lines that are no events: a sanitizer writes them.
  const std::string& other_output() const { return other_output_; }

 private:
  Program(World* world) : world_(world) {}
  static absl::StatusOr<std::shared_ptr<Program>> StartAndWait(
      World* world, const std::vector<std::string>& arguments, const Environment& environment);
  absl::Status Spawn(const std::vector<std::string>& arguments, const Environment& environment);
  void TakeLine(const std::string& line);
  int64_t ProcKib(const char* file, const std::string& key) const;

  World* const world_;  // Not owned.
  pid_t pid_ = -1;
  bench::UniqueFd log_;
  std::string unfinished_line_;
  std::string other_output_;
  bench::Address address_;
  bool ready_ = false;
  bool log_ended_ = false;
  uint64_t dumps_ = 0;
  uint64_t reloads_ = 0;
  uint64_t refused_reloads_ = 0;
  bool empty_ = false;
  std::string last_dump_;
  nlohmann::json summary_;
  std::unordered_map<int, std::string> lines_;  // by the client's port
  std::map<std::string, std::string> reason_lines_;
};

}  // namespace tlsbridge::chaos
