#include "tools/tlsbridge/command_line.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "router/yaml/nearest.h"

namespace tlsbridge {
namespace {

constexpr size_t kColumns = 100;
constexpr char kIndent[] = "        ";

const Flag* Find(absl::Span<const FlagGroup> groups, absl::string_view name) {
  for (const FlagGroup& group : groups) {
    for (const Flag& flag : group.flags) {
      if (flag.name == name) return &flag;
    }
  }
  return nullptr;
}

// The flag of `groups` that looks most like `typed`: the one with the longest common beginning.
std::string Suggestion(absl::Span<const FlagGroup> groups, absl::string_view typed) {
  std::vector<std::string> names;
  for (const FlagGroup& group : groups) {
    for (const Flag& flag : group.flags) names.push_back(flag.name);
  }
  const std::string nearest = yaml::Nearest(typed, names);
  if (!nearest.empty()) return absl::StrCat("; did you mean --", nearest, "?");
  // Not a slip, but perhaps half of one.
  absl::string_view best;
  size_t best_length = 2;
  for (const std::string& name : names) {
    const auto mismatch = std::mismatch(typed.begin(), typed.end(), name.begin(), name.end());
    const auto length = static_cast<size_t>(mismatch.first - typed.begin());
    if (length > best_length) {
      best = name;
      best_length = length;
    }
  }
  return best.empty() ? "; --help lists all flags" : absl::StrCat("; did you mean --", best, "?");
}

absl::Status Wrong(absl::string_view typed, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("--", typed, " ", why));
}

void AppendWrapped(absl::string_view text, std::string* out) {
  size_t column = kColumns;
  for (const absl::string_view word : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    const bool fits = column + 1 + word.size() <= kColumns;
    absl::StrAppend(out,
                    fits                                  ? " "
                    : out->empty() || out->back() == '\n' ? ""
                                                          : "\n",
                    fits ? "" : kIndent, word);
    column = (fits ? column + 1 : sizeof(kIndent) - 1) + word.size();
  }
  out->push_back('\n');
}

}  // namespace

std::string GivenFlags::Value(absl::string_view flag) const {
  const std::vector<std::string> values = Values(flag);
  return values.empty() ? "" : values.back();
}

std::vector<std::string> GivenFlags::Values(absl::string_view flag) const {
  std::vector<std::string> values;
  for (const One& one : given_) {
    if (one.flag == flag) values.push_back(one.value);
  }
  return values;
}

bool GivenFlags::IsOn(absl::string_view flag, bool otherwise) const {
  return Has(flag) ? Value(flag) == "true" : otherwise;
}

void GivenFlags::Add(absl::string_view flag, std::string value) {
  given_.push_back({std::string(flag), std::move(value)});
}

absl::StatusOr<GivenFlags> ParseFlags(absl::Span<char* const> arguments,
                                      absl::Span<const FlagGroup> groups,
                                      std::vector<std::string>* others) {
  GivenFlags given;
  for (size_t i = 0; i < arguments.size(); ++i) {
    absl::string_view argument = arguments[i];
    if (!absl::ConsumePrefix(&argument, "--")) {
      if (others != nullptr && !argument.empty()) {
        others->emplace_back(argument);
        continue;
      }
      return absl::InvalidArgumentError(
          absl::StrCat("unexpected argument '", argument, "': flags start with --"));
    }
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(argument, absl::MaxSplits('=', 1));
    const bool has_value = absl::StrContains(argument, '=');
    absl::string_view typed = parts.first;
    const Flag* flag = Find(groups, typed);
    const bool negated = flag == nullptr && !has_value && absl::ConsumePrefix(&typed, "no-");
    if (negated) flag = Find(groups, typed);
    if (flag == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("unknown flag --", parts.first, Suggestion(groups, parts.first)));
    }
    const bool is_switch = flag->kind == Flag::Kind::kSwitch;
    if (negated && !is_switch)
      return Wrong(parts.first, absl::StrCat("is not valid: --", typed, " takes a value"));
    std::string value(parts.second);
    if (!has_value && is_switch) {
      value = negated ? "false" : "true";
    } else if (!has_value) {
      if (++i == arguments.size()) return Wrong(typed, "needs a value");
      value = arguments[i];
    }
    // Mostly a variable of a script that is not set. To take it for "not given" would leave off
    // what was asked for, such as whom to let in.
    if (value.empty()) return Wrong(typed, "needs a value; the one given is empty");
    if (is_switch && value != "true" && value != "false") {
      return absl::InvalidArgumentError(
          absl::StrCat("--", typed, ": '", value, "' is not allowed; use true or false"));
    }
    given.Add(typed, std::move(value));
  }
  return given;
}

std::string DescribeFlags(absl::Span<const FlagGroup> groups) {
  std::string text;
  for (const FlagGroup& group : groups) {
    absl::StrAppend(&text, "\n", group.title, ":\n");
    for (const Flag& flag : group.flags) {
      absl::StrAppend(&text, "  --", flag.name, "\n");
      AppendWrapped(flag.default_value.empty()
                        ? flag.help
                        : absl::StrCat(flag.help, " [", flag.default_value, "]"),
                    &text);
    }
  }
  return text;
}

bool AsksForHelp(absl::Span<char* const> arguments) {
  return std::any_of(arguments.begin(), arguments.end(), [](absl::string_view argument) {
    return argument == "--help" || argument == "-h";
  });
}

}  // namespace tlsbridge
