// Flags as people type them, and what they are told when they mistype.

#include "tools/tlsbridge/command_line.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Kind = Flag::Kind;

const FlagGroup kGroups[] = {
    {"Network",
     {{"listen-address", "Where to listen.", "127.0.0.1:1"},
      {"max-connections", "How many.", "7"},
      {"idle-timeout", "How long.", "1m30s"}}},
    {"Security",
     {{"unsafe-backend", "Whether.", "", Kind::kSwitch},
      {"tickets", "Whether.", "true", Kind::kSwitch},
      {"allow-uri", "Whom.", "", Kind::kList}}},
};

absl::StatusOr<GivenFlags> Parse(std::vector<std::string> arguments) {
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  return ParseFlags(pointers, kGroups);
}

GivenFlags Parsed(std::vector<std::string> arguments) {
  const auto given = Parse(std::move(arguments));
  EXPECT_TRUE(given.ok()) << given.status();
  return given.value_or(GivenFlags());
}

std::string Refusal(std::vector<std::string> arguments) {
  return std::string(Parse(std::move(arguments)).status().message());
}

TEST(CommandLine, WithoutArgumentsNothingIsGiven) {
  const GivenFlags given = Parsed({});
  EXPECT_FALSE(given.Has("max-connections"));
  EXPECT_EQ(given.Value("max-connections"), "");
  EXPECT_TRUE(given.IsOn("tickets", true));
  EXPECT_FALSE(given.IsOn("unsafe-backend", false));
}

TEST(CommandLine, TakesAValueAfterAnEqualsSignOrASpace) {
  const GivenFlags given = Parsed({"--listen-address=[::]:443", "--max-connections", "12"});
  EXPECT_EQ(given.Value("listen-address"), "[::]:443");
  EXPECT_EQ(given.Value("max-connections"), "12");
}

TEST(CommandLine, AValueMayContainEqualsSignsAndDashes) {
  EXPECT_EQ(Parsed({"--listen-address=a=b=--c"}).Value("listen-address"), "a=b=--c");
  EXPECT_EQ(Parsed({"--max-connections", "-5"}).Value("max-connections"), "-5");
}

// It comes of a variable that is not set. Taken for "not given", --allow-uri would let in
// everybody.
TEST(CommandLine, RefusesAnEmptyValue) {
  EXPECT_EQ(Refusal({"--listen-address="}),
            "--listen-address needs a value; the one given is empty");
  EXPECT_EQ(Refusal({"--allow-uri", ""}), "--allow-uri needs a value; the one given is empty");
}

TEST(CommandLine, TheLastOfSeveralWinsUnlessTheFlagIsAList) {
  EXPECT_EQ(Parsed({"--max-connections=1", "--max-connections=2"}).Value("max-connections"), "2");
  EXPECT_THAT(Parsed({"--allow-uri=spiffe://a", "--allow-uri", "spiffe://b,c"}).Values("allow-uri"),
              ElementsAre("spiffe://a", "spiffe://b,c"));
}

TEST(CommandLine, ASwitchIsSetByItsNameAndUnsetByNo) {
  const GivenFlags by_name = Parsed({"--unsafe-backend", "--no-tickets"});
  EXPECT_TRUE(by_name.IsOn("unsafe-backend", false));
  EXPECT_FALSE(by_name.IsOn("tickets", true));
  const GivenFlags by_value = Parsed({"--unsafe-backend=false", "--tickets=true"});
  EXPECT_FALSE(by_value.IsOn("unsafe-backend", true));
  EXPECT_TRUE(by_value.IsOn("tickets", false));
}

TEST(CommandLine, ASwitchDoesNotSwallowTheNextArgument) {
  EXPECT_EQ(Refusal({"--unsafe-backend", "false"}),
            "unexpected argument 'false': flags start with --");
}

TEST(CommandLine, SaysWhatIsNoFlag) {
  EXPECT_EQ(Refusal({"start"}), "unexpected argument 'start': flags start with --");
  EXPECT_THAT(Refusal({"-v"}), HasSubstr("unexpected argument '-v'"));
}

TEST(CommandLine, SuggestsTheFlagThatWasMeant) {
  EXPECT_EQ(Refusal({"--listen=x"}), "unknown flag --listen; did you mean --listen-address?");
  EXPECT_EQ(Refusal({"--idle_timeout=1s"}),
            "unknown flag --idle_timeout; did you mean --idle-timeout?");
  EXPECT_EQ(Refusal({"--tikcets=on"}), "unknown flag --tikcets; did you mean --tickets?");
  EXPECT_EQ(Refusal({"--zzz"}), "unknown flag --zzz; --help lists all flags");
  EXPECT_THAT(Refusal({"--"}), HasSubstr("unknown flag --"));
}

TEST(CommandLine, KnowsOnlyTheFlagsOfItsCommand) {
  EXPECT_THAT(Refusal({"--of-another-command=x"}), HasSubstr("unknown flag --of-another-command"));
  EXPECT_THAT(Refusal({"--flagfile=/etc/passwd"}), HasSubstr("unknown flag --flagfile"));
}

TEST(CommandLine, SaysWhichFlagMissesItsValue) {
  EXPECT_EQ(Refusal({"--max-connections"}), "--max-connections needs a value");
}

TEST(CommandLine, ASwitchIsTrueOrFalse) {
  EXPECT_EQ(Refusal({"--unsafe-backend=perhaps"}),
            "--unsafe-backend: 'perhaps' is not allowed; use true or false");
}

TEST(CommandLine, OnlySwitchesCanBeNegated) {
  EXPECT_EQ(Refusal({"--no-max-connections"}),
            "--no-max-connections is not valid: --max-connections takes a value");
  EXPECT_THAT(Refusal({"--no-tickets=true"}), HasSubstr("unknown flag --no-tickets"));
}

TEST(CommandLine, DescribesEveryFlagWithItsDefaultUnderItsTitle) {
  const std::string text = DescribeFlags(kGroups);
  EXPECT_THAT(text, HasSubstr("\nNetwork:\n  --listen-address\n        Where to listen. "
                              "[127.0.0.1:1]\n"));
  EXPECT_THAT(text, HasSubstr("--idle-timeout\n        How long. [1m30s]\n"));
  EXPECT_THAT(text, HasSubstr("\nSecurity:\n  --unsafe-backend\n        Whether.\n"));
}

TEST(CommandLine, WrapsHelpAtAHundredColumnsAndLosesNoWord) {
  std::string help;
  for (int i = 0; i < 60; ++i) help += (i == 0 ? "" : " ") + std::string(1 + i % 9, 'x');
  const FlagGroup group = {"Long", {{"long", help + " " + std::string(120, 'y'), "1"}}};
  const std::string text = DescribeFlags({&group, 1});
  std::string words;
  size_t longest = 0;
  for (size_t begin = text.find("        "); begin < text.size();) {
    const size_t end = text.find('\n', begin);
    const std::string line = text.substr(begin, end - begin);
    EXPECT_EQ(line.substr(0, 8), "        ");
    if (line.find('y') == std::string::npos) longest = std::max(longest, line.size());
    words += (words.empty() ? "" : " ") + line.substr(8);
    begin = end + 1;
  }
  EXPECT_EQ(words, help + " " + std::string(120, 'y') + " [1]");
  EXPECT_LE(longest, 100u);
  EXPECT_GT(longest, 80u);
}

TEST(CommandLine, HelpIsAskedForByEitherName) {
  char help[] = "--help";
  char h[] = "-h";
  char other[] = "--listen";
  char* const with_help[] = {other, help};
  char* const with_h[] = {h};
  char* const without[] = {other};
  EXPECT_TRUE(AsksForHelp(with_help));
  EXPECT_TRUE(AsksForHelp(with_h));
  EXPECT_FALSE(AsksForHelp(without));
}

}  // namespace
}  // namespace tlsbridge
