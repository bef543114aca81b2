// The command line: a command and its flags.
//
// Flags are texts here; who knows what they mean checks them.
//
// Thread: any. Failure: a Status of one line that says what is wrong and how to mend it.
#pragma once

#include <stdint.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace tlsbridge {

struct Flag {
  enum class Kind : uint8_t {
    kValue,   // the last one counts
    kList,    // each adds one
    kSwitch,  // "--name", "--no-name", "--name=true" or "--name=false"
  };
  std::string name;                // as typed, without the dashes in front
  std::string help;                // sentences
  std::string default_value = {};  // for --help; empty for none
  Kind kind = Kind::kValue;
  // For completion: its value is the name of a file, or one of these.
  bool is_file = false;
  std::vector<std::string> words = {};
};

// A titled part of a command's flags, for --help.
struct FlagGroup {
  std::string title;
  std::vector<Flag> flags;
};

class GivenFlags {
 public:
  bool Has(absl::string_view flag) const { return !Values(flag).empty(); }
  std::string Value(absl::string_view flag) const;  // the last; empty if it was not given
  std::vector<std::string> Values(absl::string_view flag) const;
  bool IsOn(absl::string_view flag, bool otherwise) const;

  void Add(absl::string_view flag, std::string value);

 private:
  struct One {
    std::string flag;
    std::string value;
  };
  std::vector<One> given_;
};

// Each of `arguments` must be a flag of `groups`: "--name=value", "--name value", or a switch. With
// `others`, what is none goes there.
absl::StatusOr<GivenFlags> ParseFlags(absl::Span<char* const> arguments,
                                      absl::Span<const FlagGroup> groups,
                                      std::vector<std::string>* others = nullptr);

// Names, help and defaults of `groups`, ready to print.
std::string DescribeFlags(absl::Span<const FlagGroup> groups);

// Whether --help is among them.
bool AsksForHelp(absl::Span<char* const> arguments);

}  // namespace tlsbridge
