#include "router/handover/child.h"

#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace tlsbridge {
namespace {

class SpawnedChild final : public Child {
 public:
  explicit SpawnedChild(pid_t pid) : pid_(pid) {}

  pid_t pid() const override { return pid_; }
  void Kill() override {
    if (!reaped_) kill(pid_, SIGKILL);
  }
  std::optional<std::string> Reap() override {
    int status = 0;
    if (reaped_ || waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
    reaped_ = true;
    if (WIFEXITED(status)) return absl::StrCat("it ended with exit code ", WEXITSTATUS(status));
    return absl::StrCat("it was ended by SIG", sigabbrev_np(WTERMSIG(status)));
  }

 private:
  const pid_t pid_;
  bool reaped_ = false;
};

std::vector<char*> Pointers(std::vector<std::string>* strings) {
  std::vector<char*> pointers;
  for (std::string& text : *strings) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Child>> StartChild(const Program& program, int fd,
                                                  const std::vector<std::string>& variables) {
  if (program.path.empty()) {
    return absl::FailedPreconditionError("the path of this program is not known");
  }
  std::vector<std::string> arguments = program.arguments;
  std::vector<std::string> environment = program.environment;
  environment.insert(environment.end(), variables.begin(), variables.end());
  environment.push_back(absl::StrCat(kHandoverVariable, "=", fd));

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  absl::Cleanup destroy_actions = [&actions] { posix_spawn_file_actions_destroy(&actions); };
  posix_spawn_file_actions_adddup2(&actions, fd, fd);  // which makes it survive the exec

  // Signals as if a shell had started it: those that wait for our loop are not for it.
  sigset_t none, defaults;
  sigemptyset(&none);
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  absl::Cleanup destroy_attributes = [&attributes] { posix_spawnattr_destroy(&attributes); };
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  pid_t pid = 0;
  const int error = posix_spawn(&pid, program.path.c_str(), &actions, &attributes,
                                Pointers(&arguments).data(), Pointers(&environment).data());
  if (error != 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot start ", program.path, ": ", strerror(error)));
  }
  return std::make_unique<SpawnedChild>(pid);
}

}  // namespace tlsbridge
