// What the process may still do once it has begun to serve: as another user, without a way back to
// rights, with the files and the system calls that it needs, and no others.
//
// Each part is tried by itself: what this kernel does not have, or does not let this process do, is
// left out, and told. Only what was asked for by name, --user, is an error where it cannot be had.
//
// Thread: Enter() is main's, while nobody makes threads; it holds for all. Failure: a Status.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "router/host/user.h"

namespace tlsbridge {

struct SandboxNeeds {
  bool restricted = true;             // files and system calls; else only `user` counts
  std::vector<std::string> folders;   // to read, with all below
  std::vector<std::string> files;     // to read; missing ones do not matter
  std::vector<std::string> settings;  // to read and write: files, or folders with all below
  std::vector<std::string> sockets;   // folders in which UNIX sockets are made and removed
  std::vector<std::string> dumps;     // folders in which a core dump may be left
  std::optional<User> user;
  KeptRights kept;  // by the user
};

struct SandboxResult {
  std::vector<std::string> applied;  // "user", "no_new_privs", "landlock", "seccomp"
  std::vector<std::string> missing;  // in words: "seccomp: Function not implemented"
};

absl::StatusOr<SandboxResult> EnterSandbox(const SandboxNeeds& needs);

}  // namespace tlsbridge
