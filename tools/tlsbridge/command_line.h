// The command line: a command and its flags, which abseil defines and parses.
//
// abseil's own parser exits with 1 and does not know repeated flags or dashes in names; this one
// walks the arguments itself and leaves only the values to abseil.
//
// Thread: main's. Failure: a Status of one line that says what is wrong and how to mend it.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace tlsbridge {

// A flag that may be given several times; each time adds one value.
struct ValueList {
  std::vector<std::string> values;
};
bool AbslParseFlag(absl::string_view text, ValueList* list, std::string* error);
std::string AbslUnparseFlag(const ValueList& list);

// A titled part of a command's flags, for --help.
struct FlagGroup {
  absl::string_view title;
  std::vector<absl::string_view> flags;  // as typed, with dashes
};

// Sets flags from `arguments`, of which each must be one of `groups`: "--name=value", "--name
// value", and for booleans
// "--name" and "--no-name". All values are checked before this returns.
absl::Status ParseFlags(absl::Span<char* const> arguments, absl::Span<const FlagGroup> groups);

// Names, help and defaults of `groups`, ready to print.
std::string DescribeFlags(absl::Span<const FlagGroup> groups);

}  // namespace tlsbridge
