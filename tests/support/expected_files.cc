#include "tests/support/expected_files.h"

#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace tlsbridge::testing {

std::string ContentOf(const std::string& path) {
  std::ostringstream content;
  content << std::ifstream(path, std::ios::binary).rdbuf();
  return content.str();
}

std::vector<std::string> NamesOfInputs(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".yaml") names.push_back(entry.path().stem());
  }
  std::sort(names.begin(), names.end());
  return names;
}

bool WritesExpected(const std::string& name, const std::string& said) {
  const char* const target = getenv("TLSBRIDGE_WRITE_EXPECTED");
  if (target == nullptr) return false;
  std::ofstream(std::filesystem::path(target) / (name + ".expected")) << said;
  return true;
}

}  // namespace tlsbridge::testing
