// Starts this program anew, from outside the sandbox: the successor of a hot restart has a
// configuration, and perhaps a kernel, of its own, and must not live within the rules that its
// predecessor gave itself, which every child inherits.
//
// So a helper process is forked at the start, before there are threads, keys or rules. It does
// nothing but this: start the one program with the arguments and the environment that it was
// given, plus what it is told; kill a child of its own; say how one has ended. Whoever takes over
// this process can thus make it start the same program again, and nothing else. The helper ends
// with the process, or with its Spawner.
//
// Thread: Fork() is main's, while there is no other; the rest one thread's. Owner: main. Failure: a
// Status; a helper that does not answer within seconds is given up.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace tlsbridge {

class Spawner {
 public:
  struct What {
    std::string path;  // absolute
    std::vector<std::string> arguments;
    std::vector<std::string> environment;  // "NAME=value"
  };

  static absl::StatusOr<std::unique_ptr<Spawner>> Fork(What what);
  ~Spawner();
  Spawner(const Spawner&) = delete;
  Spawner& operator=(const Spawner&) = delete;

  // `variables` come to the environment, and `fd_variable`=N, where N is what the child has `fd`
  // as; beside it, it inherits the standard descriptors alone. Signals are as after a shell.
  absl::StatusOr<pid_t> Start(const std::vector<std::string>& variables,
                              const std::string& fd_variable, int fd);
  // Of a child that Start() made.
  void Kill(pid_t child);
  // The status as of waitpid(2), once it has ended; the first answer is the last.
  std::optional<int> Reap(pid_t child);

 private:
  Spawner(int fd, pid_t helper) : fd_(fd), helper_(helper) {}

  struct Answer {
    int error = 0;  // an errno
    int value = 0;
  };
  Answer Ask(const std::string& question, int fd);

  int fd_;
  const pid_t helper_;
};

}  // namespace tlsbridge
