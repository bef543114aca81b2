#include "tools/tlsbridge/command_line.h"

#include <stdint.h>

#include <algorithm>

#include "absl/flags/commandlineflag.h"
#include "absl/flags/reflection.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"

namespace tlsbridge {
namespace {

// Between the values of a ValueList; no argument contains it.
constexpr char kSeparator[] = "\n";

std::string FlagName(absl::string_view typed) { return absl::StrReplaceAll(typed, {{"-", "_"}}); }

bool Contains(absl::Span<const FlagGroup> groups, absl::string_view typed) {
  return std::any_of(groups.begin(), groups.end(), [typed](const FlagGroup& group) {
    return std::count(group.flags.begin(), group.flags.end(), typed) > 0;
  });
}

// The flag of `groups` that looks most like `typed`: the one with the longest common beginning.
std::string Suggestion(absl::Span<const FlagGroup> groups, absl::string_view typed) {
  absl::string_view best;
  size_t best_length = 2;
  for (const FlagGroup& group : groups) {
    for (const absl::string_view flag : group.flags) {
      const auto mismatch = std::mismatch(typed.begin(), typed.end(), flag.begin(), flag.end());
      const auto length = static_cast<size_t>(mismatch.first - typed.begin());
      if (length > best_length) {
        best = flag;
        best_length = length;
      }
    }
  }
  return best.empty() ? "; --help lists all flags" : absl::StrCat("; did you mean --", best, "?");
}

absl::Status SetFlag(absl::CommandLineFlag* flag, absl::string_view typed, std::string value) {
  if (flag->IsOfType<ValueList>() && !flag->CurrentValue().empty()) {
    value = absl::StrCat(flag->CurrentValue(), kSeparator, value);
  }
  std::string error;
  if (flag->ParseFrom(value, &error)) return absl::OkStatus();
  absl::string_view allowed = "a value such as those that --help shows";
  if (flag->IsOfType<absl::Duration>()) allowed = "a duration such as 500ms, 30s, 5m or 4h";
  if (flag->IsOfType<int64_t>()) allowed = "a whole number";
  if (flag->IsOfType<double>()) allowed = "a number";
  if (flag->IsOfType<bool>()) allowed = "true or false";
  return absl::InvalidArgumentError(
      absl::StrCat("--", typed, ": '", value, "' is not allowed; use ", allowed));
}

}  // namespace

bool AbslParseFlag(absl::string_view text, ValueList* list, std::string*) {
  list->values = absl::StrSplit(text, kSeparator, absl::SkipEmpty());
  return true;
}

std::string AbslUnparseFlag(const ValueList& list) {
  return absl::StrJoin(list.values, kSeparator);
}

absl::Status ParseFlags(absl::Span<char* const> arguments, absl::Span<const FlagGroup> groups) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    absl::string_view argument = arguments[i];
    if (!absl::ConsumePrefix(&argument, "--")) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", argument, "' is no flag; flags begin with --"));
    }
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(argument, absl::MaxSplits('=', 1));
    absl::string_view typed = parts.first;
    const bool has_value = absl::StrContains(argument, '=');
    bool negated = false;
    if (!Contains(groups, typed) && !has_value && absl::StartsWith(typed, "no-") &&
        Contains(groups, typed.substr(3))) {
      typed.remove_prefix(3);
      negated = true;
    }
    if (!Contains(groups, typed)) {
      return absl::InvalidArgumentError(
          absl::StrCat("unknown flag --", typed, Suggestion(groups, typed)));
    }

    absl::CommandLineFlag* flag = absl::FindCommandLineFlag(FlagName(typed));
    std::string value(parts.second);
    if (!has_value && flag->IsOfType<bool>()) {
      value = negated ? "false" : "true";
    } else if (negated) {
      return absl::InvalidArgumentError(absl::StrCat("--", typed, " is no yes-or-no flag"));
    } else if (!has_value) {
      if (++i == arguments.size()) {
        return absl::InvalidArgumentError(absl::StrCat("--", typed, " needs a value"));
      }
      value = arguments[i];
    }
    // Mostly a variable of a script that is not set. To take it for "not given" would leave off
    // what was asked for, such as whom to let in.
    if (value.empty()) {
      return absl::InvalidArgumentError(absl::StrCat("--", typed, " needs a value; it was empty"));
    }
    if (absl::Status status = SetFlag(flag, typed, std::move(value)); !status.ok()) return status;
  }
  return absl::OkStatus();
}

std::string DescribeFlags(absl::Span<const FlagGroup> groups) {
  std::string text;
  for (const FlagGroup& group : groups) {
    absl::StrAppend(&text, "\n", group.title, ":\n");
    for (const absl::string_view typed : group.flags) {
      const absl::CommandLineFlag* flag = absl::FindCommandLineFlag(FlagName(typed));
      absl::StrAppend(&text, "  --", typed, "\n        ", flag->Help());
      const std::string value = flag->DefaultValue();
      if (!value.empty() && value != "false") absl::StrAppend(&text, " [", value, "]");
      absl::StrAppend(&text, "\n");
    }
  }
  return text;
}

}  // namespace tlsbridge
