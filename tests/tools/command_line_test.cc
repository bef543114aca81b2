// Flags as people type them, and what they are told when they mistype.

#include "tools/tlsbridge/command_line.h"

#include <stdint.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/reflection.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

ABSL_FLAG(std::string, listen_address, "127.0.0.1:1", "Where to listen.");
ABSL_FLAG(int64_t, max_connections, 7, "How many.");
ABSL_FLAG(absl::Duration, idle_timeout, absl::Seconds(90), "How long.");
ABSL_FLAG(bool, unsafe_backend, false, "Whether.");
ABSL_FLAG(bool, tickets, true, "Whether.");
ABSL_FLAG(tlsbridge::ValueList, allow_uri, {}, "Whom.");
ABSL_FLAG(std::string, of_another_command, "", "Not for this one.");

namespace tlsbridge {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const FlagGroup kGroups[] = {
    {"Network", {"listen-address", "max-connections", "idle-timeout"}},
    {"Security", {"unsafe-backend", "tickets", "allow-uri"}},
};

class CommandLine : public ::testing::Test {
 protected:
  absl::Status Parse(std::vector<std::string> arguments) {
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    return ParseFlags(pointers, kGroups);
  }

  std::string Refusal(std::vector<std::string> arguments) {
    return std::string(Parse(std::move(arguments)).message());
  }

  absl::FlagSaver restore_;
};

TEST_F(CommandLine, WithoutArgumentsLeavesTheDefaults) {
  EXPECT_TRUE(Parse({}).ok());
  EXPECT_EQ(absl::GetFlag(FLAGS_max_connections), 7);
}

TEST_F(CommandLine, TakesAValueAfterAnEqualsSignOrASpace) {
  EXPECT_TRUE(Parse({"--listen-address=[::]:443", "--max-connections", "12"}).ok());
  EXPECT_EQ(absl::GetFlag(FLAGS_listen_address), "[::]:443");
  EXPECT_EQ(absl::GetFlag(FLAGS_max_connections), 12);
}

TEST_F(CommandLine, AValueMayContainEqualsSignsAndDashes) {
  EXPECT_TRUE(Parse({"--listen-address=a=b=--c"}).ok());
  EXPECT_EQ(absl::GetFlag(FLAGS_listen_address), "a=b=--c");
  EXPECT_TRUE(Parse({"--max-connections", "-5"}).ok());
  EXPECT_EQ(absl::GetFlag(FLAGS_max_connections), -5);
}

// It comes of a variable that is not set. Taken for "not given", --allow-uri would let in
// everybody.
TEST_F(CommandLine, RefusesAnEmptyValue) {
  EXPECT_EQ(Refusal({"--listen-address="}), "--listen-address needs a value; it was empty");
  EXPECT_EQ(Refusal({"--allow-uri", ""}), "--allow-uri needs a value; it was empty");
}

TEST_F(CommandLine, TheLastOfSeveralWinsUnlessTheFlagIsAList) {
  EXPECT_TRUE(Parse({"--max-connections=1", "--max-connections=2"}).ok());
  EXPECT_EQ(absl::GetFlag(FLAGS_max_connections), 2);
  EXPECT_TRUE(Parse({"--allow-uri=spiffe://a", "--allow-uri", "spiffe://b,c"}).ok());
  EXPECT_THAT(absl::GetFlag(FLAGS_allow_uri).values, ElementsAre("spiffe://a", "spiffe://b,c"));
}

TEST_F(CommandLine, ABooleanIsSetByItsNameAndUnsetByNo) {
  EXPECT_TRUE(Parse({"--unsafe-backend", "--no-tickets"}).ok());
  EXPECT_TRUE(absl::GetFlag(FLAGS_unsafe_backend));
  EXPECT_FALSE(absl::GetFlag(FLAGS_tickets));
  EXPECT_TRUE(Parse({"--unsafe-backend=false", "--tickets=true"}).ok());
  EXPECT_FALSE(absl::GetFlag(FLAGS_unsafe_backend));
  EXPECT_TRUE(absl::GetFlag(FLAGS_tickets));
}

TEST_F(CommandLine, ABooleanDoesNotSwallowTheNextArgument) {
  EXPECT_THAT(Refusal({"--unsafe-backend", "false"}), HasSubstr("'false' is no flag"));
}

TEST_F(CommandLine, SaysWhatIsNoFlag) {
  EXPECT_THAT(Refusal({"start"}), HasSubstr("'start' is no flag; flags begin with --"));
  EXPECT_THAT(Refusal({"-v"}), HasSubstr("'-v' is no flag"));
}

TEST_F(CommandLine, SuggestsTheFlagThatWasMeant) {
  EXPECT_EQ(Refusal({"--listen=x"}), "unknown flag --listen; did you mean --listen-address?");
  EXPECT_EQ(Refusal({"--idle_timeout=1s"}),
            "unknown flag --idle_timeout; did you mean --idle-timeout?");
  EXPECT_EQ(Refusal({"--zzz"}), "unknown flag --zzz; --help lists all flags");
  EXPECT_THAT(Refusal({"--"}), HasSubstr("unknown flag --"));
}

TEST_F(CommandLine, KnowsOnlyTheFlagsOfItsCommand) {
  EXPECT_THAT(Refusal({"--of-another-command=x"}), HasSubstr("unknown flag --of-another-command"));
  EXPECT_THAT(Refusal({"--flagfile=/etc/passwd"}), HasSubstr("unknown flag --flagfile"));
}

TEST_F(CommandLine, SaysWhichFlagMissesItsValue) {
  EXPECT_EQ(Refusal({"--max-connections"}), "--max-connections needs a value");
}

TEST_F(CommandLine, SaysWhichValueIsNotAllowed) {
  EXPECT_THAT(Refusal({"--max-connections=many"}),
              HasSubstr("--max-connections: 'many' is not allowed"));
  EXPECT_THAT(Refusal({"--idle-timeout", "90"}), HasSubstr("--idle-timeout: '90' is not allowed"));
  EXPECT_THAT(Refusal({"--unsafe-backend=perhaps"}),
              HasSubstr("--unsafe-backend: 'perhaps' is not allowed"));
}

TEST_F(CommandLine, OnlyYesOrNoFlagsCanBeNegated) {
  EXPECT_EQ(Refusal({"--no-max-connections"}), "--max-connections is no yes-or-no flag");
  EXPECT_THAT(Refusal({"--no-tickets=true"}), HasSubstr("unknown flag --no-tickets"));
}

TEST_F(CommandLine, DescribesEveryFlagWithItsDefaultUnderItsTitle) {
  const std::string text = DescribeFlags(kGroups);
  EXPECT_THAT(text, HasSubstr("\nNetwork:\n  --listen-address\n        Where to listen. "
                              "[127.0.0.1:1]\n"));
  EXPECT_THAT(text, HasSubstr("--idle-timeout\n        How long. [1m30s]\n"));
  EXPECT_THAT(text, HasSubstr("\nSecurity:\n  --unsafe-backend\n        Whether.\n"));
  EXPECT_EQ(text.find("of-another-command"), std::string::npos);
}

}  // namespace
}  // namespace tlsbridge
