// Each file of broken/, and exactly what is said about it: the positions and the messages.
//
// With TLSBRIDGE_WRITE_EXPECTED=FOLDER in the environment, what is said is written there instead.

#include <optional>
#include <string>

#include "gtest/gtest.h"
#include "router/yaml/parse_config.h"
#include "tests/support/expected_files.h"

namespace tlsbridge {
namespace {

using testing::ContentOf;

constexpr char kFolder[] = "tests/router/yaml/broken";

std::optional<std::string> Nothing(absl::string_view /*name*/) { return std::nullopt; }

class BrokenFile : public ::testing::TestWithParam<std::string> {};

TEST_P(BrokenFile, IsToldWithPositionsAndWhatIsAllowed) {
  const std::string name = GetParam() + ".yaml";
  const std::string path = std::string(kFolder) + "/" + GetParam();
  const ParsedConfig parsed = ParseConfig(ContentOf(path + ".yaml"), name, Nothing);
  std::string told;
  for (const Problem& problem : parsed.problems) told += problem.ToString() + "\n";
  if (testing::WritesExpected(GetParam(), told)) return;
  EXPECT_FALSE(parsed.problems.empty());
  EXPECT_EQ(told, ContentOf(path + ".expected"));
}

INSTANTIATE_TEST_SUITE_P(Config, BrokenFile, ::testing::ValuesIn(testing::NamesOfInputs(kFolder)),
                         testing::TestNameOf);

TEST(BrokenFiles, AreAHundredOrSo) { EXPECT_GE(testing::NamesOfInputs(kFolder).size(), 100U); }

}  // namespace
}  // namespace tlsbridge
