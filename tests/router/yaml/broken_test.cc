// Each file of broken/, and exactly what is said about it: the positions and the messages.
//
// With TLSBRIDGE_WRITE_EXPECTED=FOLDER in the environment, what is said is written there instead.

#include <ctype.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "router/yaml/parse_config.h"

namespace tlsbridge {
namespace {

constexpr char kFolder[] = "tests/router/yaml/broken";

std::string ContentOf(const std::filesystem::path& path) {
  std::ostringstream content;
  content << std::ifstream(path, std::ios::binary).rdbuf();
  return content.str();
}

std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    if (entry.path().extension() == ".yaml") names.push_back(entry.path().stem());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::optional<std::string> Nothing(absl::string_view /*name*/) { return std::nullopt; }

class BrokenFile : public ::testing::TestWithParam<std::string> {};

TEST_P(BrokenFile, IsToldWithPositionsAndWhatIsAllowed) {
  const std::filesystem::path folder = kFolder;
  const std::string name = GetParam() + ".yaml";
  const ParsedConfig parsed = ParseConfig(ContentOf(folder / name), name, Nothing);
  std::string told;
  for (const Problem& problem : parsed.problems) told += problem.ToString() + "\n";
  if (const char* target = getenv("TLSBRIDGE_WRITE_EXPECTED"); target != nullptr) {
    std::ofstream(std::filesystem::path(target) / (GetParam() + ".expected")) << told;
    return;
  }
  EXPECT_FALSE(parsed.problems.empty());
  EXPECT_EQ(told, ContentOf(folder / (GetParam() + ".expected")));
}

INSTANTIATE_TEST_SUITE_P(Config, BrokenFile, ::testing::ValuesIn(Names()), [](const auto& info) {
  std::string name;
  for (const char c : info.param) name += isalnum(c) != 0 ? c : 'X';
  return name;
});

TEST(BrokenFiles, AreAHundredOrSo) { EXPECT_GE(Names().size(), 100U); }

}  // namespace
}  // namespace tlsbridge
