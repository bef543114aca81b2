// The corpus, mangled at random: whatever a file holds, it is read to the end or refused.

#include <algorithm>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "router/yaml/parse_config.h"
#include "tests/support/expected_files.h"

namespace tlsbridge {
namespace {

constexpr int kRounds = 4000;

std::vector<std::string> Corpus() {
  std::vector<std::string> texts;
  for (const char* folder : {"tests/router/yaml/broken", "tests/router/yaml/good"}) {
    for (const std::string& name : testing::NamesOfInputs(folder)) {
      texts.push_back(testing::ContentOf(std::string(folder) + "/" + name + ".yaml"));
    }
  }
  return texts;
}

class Mangler {
 public:
  explicit Mangler(std::vector<std::string> corpus) : corpus_(std::move(corpus)) {}

  std::string Next() {
    std::string text = Pick();
    for (size_t i = 1 + Below(8); i > 0; --i) Mangle(&text);
    return text;
  }

 private:
  size_t Below(size_t limit) { return limit == 0 ? 0 : random_() % limit; }
  const std::string& Pick() { return corpus_[Below(corpus_.size())]; }

  void Mangle(std::string* text) {
    static constexpr char kTokens[] = ":-[]{},&*!|>'\"%@`?#~\n\t \\$x0";
    const size_t at = Below(text->size() + 1);
    const size_t length = Below(std::min<size_t>(text->size() - at, 24) + 1);
    switch (Below(6)) {
      case 0:
        text->erase(at, length);
        break;
      case 1:
        text->insert(at, 1 + Below(3), kTokens[Below(sizeof(kTokens) - 1)]);
        break;
      case 2:
        if (at < text->size()) (*text)[at] = static_cast<char>(Below(256));
        break;
      case 3:
        text->insert(at, text->substr(at, length));
        break;
      case 4: {
        const std::string& other = Pick();
        text->insert(at, other.substr(Below(other.size()), Below(64)));
        break;
      }
      default:
        text->insert(at, Below(200), kTokens[Below(sizeof(kTokens) - 1)]);
    }
  }

  const std::vector<std::string> corpus_;
  std::mt19937_64 random_{1};
};

std::optional<std::string> Anything(absl::string_view name) {
  if (name.size() % 2 == 0) return std::nullopt;
  return std::string(name);
}

TEST(MangledFiles, AreReadOrRefused) {
  Mangler mangler(Corpus());
  int refused = 0;
  for (int i = 0; i < kRounds; ++i) {
    const std::string text = mangler.Next();
    const ParsedConfig parsed = ParseConfig(text, "mangled.yaml", Anything);
    if (parsed.problems.empty()) {
      EXPECT_FALSE(parsed.config.routes.empty());
      continue;
    }
    ++refused;
    for (const Problem& problem : parsed.problems) {
      ASSERT_EQ(problem.ToString().find('\n'), std::string::npos) << problem.ToString();
      ASSERT_GE(problem.line, 1) << text;
      ASSERT_GE(problem.column, 1) << text;
    }
  }
  EXPECT_GT(refused, kRounds / 2);
}

// As much of one thing as a file may have.
TEST(HugeFiles, AreReadOrRefused) {
  for (const std::string part :
       {"[", "{", "{a: ", "- ", "? ", "a: ", "*a ", "&a ", "\"", "a,", "<<: {a: b}\n",
        "routes: [{}, {}]\n", "- - a\n", "|\n", "!a ", "[a, ", "b: &b [*b]\n"}) {
    std::string text;
    while (text.size() < 200000) text += part;
    EXPECT_FALSE(ParseConfig(text, "huge.yaml", Anything).problems.empty()) << part;
  }
}

TEST(HugeFiles, HaveTheirMistakesCounted) {
  std::string text = "routes:\n";
  while (text.size() < 200000) text += "  - {x: 1}\n";
  const ParsedConfig parsed = ParseConfig(text, "huge.yaml", Anything);
  EXPECT_LE(parsed.problems.size(), 1001U);
  EXPECT_NE(parsed.problems.back().message.find("more problems"), std::string::npos);
}

TEST(HugeFiles, AboveTheLimitAreNotLookedAt) {
  const ParsedConfig parsed = ParseConfig(std::string((1 << 20) + 1, '['), "huge.yaml", Anything);
  ASSERT_EQ(parsed.problems.size(), 1U);
  EXPECT_EQ(parsed.problems[0].message, "too large: 1048577 bytes; 1048576 are allowed");
}

}  // namespace
}  // namespace tlsbridge
