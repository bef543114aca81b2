// What a running service needs of files and rights, from its configuration; and the moment from
// which it has no more than that.
//
// Read may be: the folders of the files that it was told of and reads again, with all below, so
// that what takes their place is found: by name, by a link that is swapped on the way there, as
// Kubernetes does it, or behind a link. Folders at the top, such as /etc or /run, are not opened
// for a link that passes through them; and a file that lies in / itself is only read as it is.
//
// Thread: main's. Failure: a Status that says what to do; nobody is served then.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "router/host/sandbox.h"
#include "router/live/live_config.h"

namespace tlsbridge {

// As the command line says it.
struct Confinement {
  bool sandbox = false;     // unless the configuration says no
  bool core_dumps = false;  // the kernel leaves them in this process's name
  std::optional<User> user;
};

// `source_files` are those of the configuration itself.
SandboxNeeds NeedsOf(const LiveConfig& live, const std::vector<std::string>& source_files,
                     const Confinement& confinement);

// For the `ready` line: "user,no_new_privs,landlock,seccomp", or "none". What is missing is in the
// log. A file of the service that the new user cannot read is an error.
absl::StatusOr<std::string> Confine(const LiveConfig& live,
                                    const std::vector<std::string>& source_files,
                                    const Confinement& confinement);

// What to say behind `problem`, where that is of a file that the sandbox does not let it have.
std::string SandboxHint(const std::string& problem);

}  // namespace tlsbridge
