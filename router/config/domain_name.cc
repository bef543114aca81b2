#include "router/config/domain_name.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace tlsbridge {
namespace {

// RFC 1035 section 2.3.4.
constexpr size_t kLongestLabel = 63;
constexpr size_t kLongestName = 253;

bool MayBeInLabel(char c) { return absl::ascii_isalnum(c) || c == '-' || c == '_'; }

absl::Status Wrong(absl::string_view why) { return absl::InvalidArgumentError(why); }

}  // namespace

absl::StatusOr<std::string> ParseDomainName(absl::string_view text) {
  if (text.empty()) return Wrong("empty name");
  if (text.size() > kLongestName) return Wrong("name too long (limit 253 bytes)");
  if (std::any_of(text.begin(), text.end(), [](char c) { return !absl::ascii_isascii(c); })) {
    return Wrong("non-ASCII names must be given in punycode (xn--...)");
  }
  if (text.back() == '.') return Wrong("remove the dot at the end");
  absl::string_view last;
  for (const absl::string_view label : absl::StrSplit(text, '.')) {
    if (label.empty()) return Wrong("empty label");
    if (label.size() > kLongestLabel) return Wrong("label too long (limit 63 bytes)");
    if (!std::all_of(label.begin(), label.end(), MayBeInLabel)) {
      return Wrong("only letters, digits, '-', '_' and dots are allowed");
    }
    if (label.front() == '-' || label.back() == '-') {
      return Wrong("a label cannot begin or end with '-'");
    }
    last = label;
  }
  if (std::all_of(last.begin(), last.end(), absl::ascii_isdigit)) {
    return Wrong("an IP address is not a name");
  }
  return absl::AsciiStrToLower(text);
}

absl::StatusOr<std::string> ParseDomainPattern(absl::string_view text) {
  if (text == "*") return "*";
  absl::string_view rest = text;
  const bool wildcard = absl::ConsumePrefix(&rest, "*.");
  absl::StatusOr<std::string> name = ParseDomainName(rest);
  if (!name.ok() || !wildcard) return name;
  return absl::StrCat("*.", *name);
}

}  // namespace tlsbridge
