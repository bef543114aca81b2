#include "tests/e2e/harness/temp_dir.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace tlsbridge::e2e {

TempDir::TempDir() {
  // Not TEST_TMPDIR: Bazel's is too long for UNIX sockets.
  std::string name = "/tmp/tlsbridge.XXXXXX";
  if (mkdtemp(name.data()) == nullptr) {
    std::perror("mkdtemp");
    std::abort();
  }
  path_ = name;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TempDir::PathOf(absl::string_view name) const { return absl::StrCat(path_, "/", name); }

std::string TempDir::WriteFile(absl::string_view name, absl::string_view content) const {
  std::string path = PathOf(name);
  std::ofstream(path, std::ios::binary) << content;
  return path;
}

}  // namespace tlsbridge::e2e
