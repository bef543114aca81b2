// A process that was started to take this one's place, until it is known whether it does.
//
// It is a child of the helper that was forked before this process confined itself
// (router/host/spawner.h), and inherits the standard descriptors and one end of the channel.
//
// Thread: the control loop's. Owner: the Handover. Failure: Start() returns a Status.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "router/host/spawner.h"

namespace tlsbridge {

class Child {
 public:
  virtual ~Child() = default;
  virtual pid_t pid() const = 0;
  virtual void Kill() = 0;
  // How it has ended, in words: "ended with exit code 2". Nothing while it lives. The first answer
  // is the last that may be asked for.
  virtual std::optional<std::string> Reap() = 0;
};

// The variable that names the descriptor of the channel.
inline constexpr char kHandoverVariable[] = "TLSBRIDGE_HANDOVER";

// `fd` is its end of the channel; `variables` come to its environment ("NAME=value"). `spawner`
// outlives the child's object; null if there is none.
absl::StatusOr<std::unique_ptr<Child>> StartChild(Spawner* spawner, int fd,
                                                  const std::vector<std::string>& variables);

}  // namespace tlsbridge
