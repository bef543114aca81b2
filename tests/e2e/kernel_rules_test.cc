// `tlsbridge check --kernel-rules`: what it prints is what nft takes.

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/harness/temp_dir.h"
#include "tests/e2e/support/run_program.h"
#include "tests/router/kernel/support/net_namespace.h"

namespace tlsbridge::e2e {
namespace {

using ::testing::HasSubstr;

constexpr char kGood[] = R"(
listeners: [{address: "0.0.0.0:5432"}, {address: "[::]:5432"}]
kernel: {table: tlsbridge-2}
routes:
  - name: database
    tls: {mode: passthrough}
    forwarding_engine: nftables
    deny_ip: [10.66.0.0/16]
    limits: {connections_per_ip: 10}
    backends:
      - {address: "10.7.2.11:5432"}
      - {address: "10.7.2.12:5432"}
      - {address: "dns:db.internal:5432"}
)";

class KernelRulesTest : public tlsbridge::testing::NamespaceTest {
 protected:
  ProgramResult Rules(const std::string& yaml) {
    return RunProgram({"check", "--kernel-rules", "--config", dir_.WriteFile("some.yaml", yaml)});
  }

  TempDir dir_;
};

TEST_F(KernelRulesTest, AreWhatNftTakes) {
  const ProgramResult rules = Rules(kGood);
  EXPECT_EQ(rules.exit_code, 0);
  EXPECT_EQ(rules.errors, "");
  EXPECT_THAT(rules.output, HasSubstr("table inet tlsbridge-2 {"));
  EXPECT_THAT(rules.output, HasSubstr("10.7.2.12:5432"));
  EXPECT_THAT(rules.output, HasSubstr("# dns:db.internal:5432 of database"));
  const tlsbridge::testing::NetNamespace ours;
  ours.Enter();
  const auto taken = tlsbridge::testing::RunCommand(
      absl::StrCat("nft -c -f - <", dir_.WriteFile("rules.nft", rules.output)));
  EXPECT_EQ(taken.exit_code, 0) << taken.output << "\n" << rules.output;
}

TEST_F(KernelRulesTest, AFileWithMistakesHasNone) {
  const ProgramResult rules = Rules(absl::StrCat(kGood, "    balance: random-two\n"));
  EXPECT_EQ(rules.exit_code, 2);
  EXPECT_EQ(rules.output, "");
  EXPECT_THAT(rules.errors, HasSubstr("some.yaml:14:14: routes[0].balance: the kernel"));
}

}  // namespace
}  // namespace tlsbridge::e2e
