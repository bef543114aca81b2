// What systemd's socket activation says in the environment (sd_listen_fds(3)): LISTEN_PID, for whom
// it is; LISTEN_FDS, how many descriptors there are, from 3 on; LISTEN_FDNAMES, their names.
//
// Thread: main's, before there are others: the environment is changed, so that no child believes
// itself meant. Failure: a Status that says which variable is wrong.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "router/listeners/inherited_sockets.h"

namespace tlsbridge {

struct ListenFds {
  // Names of the descriptors 3, 4, ...; "" for one that has none.
  std::vector<std::string> names;
};

// The three variables as they are, empty for none. Those of another process say nothing.
absl::StatusOr<ListenFds> ParseListenFds(absl::string_view pid, absl::string_view fds,
                                         absl::string_view names, int own_pid);

// Takes all over that the environment tells of.
absl::Status TakeListenFds(InheritedSockets* sockets);

}  // namespace tlsbridge
