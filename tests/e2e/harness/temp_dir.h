// A folder that exists as long as this object, with all that is in it. Any thread.
// Failure to make it ends the test program: nothing can be tested without.

#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace tlsbridge::e2e {

class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  // Short enough for a UNIX socket inside, whose path may have 107 characters.
  const std::string& path() const { return path_; }
  std::string PathOf(absl::string_view name) const;

  // Writes a file and returns its path.
  std::string WriteFile(absl::string_view name, absl::string_view content) const;

 private:
  std::string path_;
};

}  // namespace tlsbridge::e2e
