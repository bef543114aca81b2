#include "router/handover/child.h"

#include <string.h>
#include <sys/wait.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace tlsbridge {
namespace {

class SpawnedChild final : public Child {
 public:
  SpawnedChild(Spawner* spawner, pid_t pid) : spawner_(spawner), pid_(pid) {}

  pid_t pid() const override { return pid_; }
  void Kill() override {
    if (!reaped_) spawner_->Kill(pid_);
  }
  std::optional<std::string> Reap() override {
    if (reaped_) return std::nullopt;
    const std::optional<int> status = spawner_->Reap(pid_);
    if (!status.has_value()) return std::nullopt;
    reaped_ = true;
    if (WIFEXITED(*status)) return absl::StrCat("it ended with exit code ", WEXITSTATUS(*status));
    return absl::StrCat("it was killed by SIG", sigabbrev_np(WTERMSIG(*status)));
  }

 private:
  Spawner* const spawner_;  // Not owned.
  const pid_t pid_;
  bool reaped_ = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Child>> StartChild(Spawner* spawner, int fd,
                                                  const std::vector<std::string>& variables) {
  if (spawner == nullptr) {
    return absl::FailedPreconditionError("the helper that starts successors could not be started");
  }
  const absl::StatusOr<pid_t> pid = spawner->Start(variables, kHandoverVariable, fd);
  if (!pid.ok()) return pid.status();
  return std::make_unique<SpawnedChild>(spawner, *pid);
}

}  // namespace tlsbridge
