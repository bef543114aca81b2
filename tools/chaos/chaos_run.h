// The randomised run: five programs, which differ in their backend, and the connections to them.
//
// Thread: one. Owner: main. Failure: violations, printed and counted by the ledger.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "tools/chaos/backend.h"
#include "tools/chaos/certificate.h"
#include "tools/chaos/changes.h"
#include "tools/chaos/client.h"
#include "tools/chaos/ledger.h"
#include "tools/chaos/options.h"
#include "tools/chaos/program.h"
#include "tools/chaos/tls_client.h"
#include "tools/chaos/world.h"

namespace tlsbridge::chaos {

class ChaosRun {
 public:
  explicit ChaosRun(const Options& options);

  absl::Status Start();
  // Runs the connections from `first` to just before `last`, and waits until all have ended.
  void Run(uint64_t first, uint64_t last);
  // Asserts that nothing is alive any more in any program.
  void ExpectEmpty();
  // The programs' memory now, by mode.
  std::vector<int64_t> Rss() const;
  // Asserts that memory has not grown by more than a tenth and 2 MiB; waits a while for that.
  void ExpectNoGrowth(const std::vector<int64_t>& before);
  // Stops the programs, and asserts that their summaries add up.
  void Stop();
  void Report(absl::Duration took, const std::vector<int64_t>& before,
              const std::vector<int64_t>& after) const;

  Ledger& ledger() { return ledger_; }

 private:
  struct Stage {
    std::shared_ptr<Backend> backend;
    std::unique_ptr<Changes> changes;  // null if nothing changes
    std::shared_ptr<Program> program;
    // For TLS 1.2 and 1.3; on a route that lasts, and on one that is taken away now and then.
    Client::Surroundings around[2][2];
    std::unique_ptr<TlsClientContext> tls[2];
  };

  absl::Status StartStage(BackendMode mode);
  absl::StatusOr<std::shared_ptr<Program>> StartProgram(Stage& stage);
  void ChangeIfDue();
  void Launch(uint64_t number);
  void Settle();
  void CheckSummary(const Stage& stage);
  void CheckChanges(const Stage& stage, const std::string& name);
  std::string Explain(const Case& c) const;

  const Options options_;
  World world_;
  Ledger ledger_;
  std::unique_ptr<CertificateFiles> certificate_;
  std::shared_ptr<NameServer> names_;
  absl::Time next_change_ = absl::InfiniteFuture();
  size_t change_of_ = 0;  // a stage
  uint64_t changes_ = 0;
  uint64_t reloads_ = 0;
  uint64_t refused_reloads_ = 0;
  std::vector<Stage> stages_;  // by mode
  std::unordered_map<Client*, std::shared_ptr<Client>> clients_;
  std::map<std::string, uint64_t> reasons_;
};

}  // namespace tlsbridge::chaos
