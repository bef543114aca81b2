// The lists of words for readers have every word of the program's, and no other.

#include <regex>
#include <set>
#include <string>

#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "bridge/termination_reason.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/expected_files.h"
#include "tls/failure.h"

namespace tlsbridge {
namespace {

using ::testing::ContainerEq;
using testing::ContentOf;

// The words `in code` that match, in the first column of the tables below a heading.
std::set<std::string> Listed(const std::string& file, const std::string& heading) {
  const std::string text = ContentOf(file);
  const size_t begin = text.find("\n" + heading + "\n");
  EXPECT_NE(begin, std::string::npos) << file << " has no " << heading;
  if (begin == std::string::npos) return {};
  const std::string part = text.substr(begin, text.find("\n#", begin + 1) - begin);
  std::set<std::string> words;
  const std::regex word("`([a-z_0-9]+)(:[A-Z]+)?`");
  for (const absl::string_view line : absl::StrSplit(part, '\n')) {
    if (line.substr(0, 3) != "| `") continue;
    const std::string cell(line.substr(0, line.find(" | ")));
    for (std::sregex_iterator it(cell.begin(), cell.end(), word), end; it != end; ++it) {
      words.insert((*it)[1]);
    }
  }
  return words;
}

TEST(ClosedListsTest, TheReadmeHasEveryReasonWithWhatToDo) {
  std::set<std::string> reasons;
  for (size_t i = 0; i < kTerminationReasons; ++i) {
    reasons.emplace(TerminationReasonName(static_cast<TerminationReason>(i)));
  }
  // Of a connection without an end, and of its sides alone.
  for (const char* word : {"none", "normal", "socket_end", "proxy_end"}) reasons.erase(word);
  EXPECT_THAT(Listed("README.md", "## Why connections end"), ContainerEq(reasons));
}

TEST(ClosedListsTest, TroubleshootingHasEveryDetail) {
  std::set<std::string> details;
  for (size_t i = 1; i < tls::kFailureDetails; ++i) {
    details.emplace(tls::FailureDetailName(static_cast<tls::FailureDetail>(i)));
  }
  EXPECT_THAT(Listed("tools/tlsbridge/TROUBLESHOOTING.md", "## A handshake fails"),
              ContainerEq(details));
}

// Those that explain puts into words, and the two that it has none for.
TEST(ClosedListsTest, TroubleshootingHasWhatEveryCertificateIsRefusedFor) {
  std::set<std::string> problems = {"invalid", "wrong_name"};
  const std::string source = ContentOf("tls/trust/client_explanation.cc");
  const std::regex entry("\\n      \\{\"([a-z_]+)\",");
  for (std::sregex_iterator it(source.begin(), source.end(), entry), end; it != end; ++it) {
    problems.insert((*it)[1]);
  }
  ASSERT_GT(problems.size(), 12u);
  EXPECT_THAT(Listed("tools/tlsbridge/TROUBLESHOOTING.md", "### Why a certificate is refused"),
              ContainerEq(problems));
}

}  // namespace
}  // namespace tlsbridge
