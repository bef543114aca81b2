// The program of this process, to be started again: by which path, with which arguments and which
// environment it was started, as seen at its start.
//
// The path is the one by which it was called, made absolute: what lies there by then is the new
// program. /proc/self/exe would go on naming the old one.
//
// Thread: Remember() is main's, before there are others; then any. Failure: none.
#pragma once

#include <string>
#include <vector>

#include "absl/types/span.h"

namespace tlsbridge {

struct Program {
  std::string path;  // absolute; empty if it is not known
  std::vector<std::string> arguments;
  std::vector<std::string> environment;  // without what was for this process alone

  // REQUIRES: nothing has changed the environment yet.
  static void Remember(absl::Span<char* const> arguments);
  static const Program& Ours();
};

// Absolute, of `name` as a shell would have found it; empty if there is none.
std::string FindProgram(const std::string& name, const std::string& folder,
                        const std::string& path_variable);

}  // namespace tlsbridge
