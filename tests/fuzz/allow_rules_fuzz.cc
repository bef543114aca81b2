// Rules, and identities that they let in or not. The input is lines: rules, an empty line, and the
// values of an identity, "kind:value" as the rules have them.

#include <stdint.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "tests/fuzz/fuzz_check.h"
#include "tls/trust/allow_rules.h"

namespace {

using tlsbridge::tls::AllowRules;
using tlsbridge::tls::PeerIdentity;

// What Kind::kUri says, a byte at a time: row[i] tells whether the pattern so far matches the first
// i bytes.
bool UriMatchesByTable(absl::string_view pattern, absl::string_view uri) {
  const bool everything_below = absl::ConsumeSuffix(&pattern, "/**");
  std::vector<bool> row(uri.size() + 1, false);
  row[0] = true;
  for (const char c : pattern) {
    std::vector<bool> next(uri.size() + 1, false);
    for (size_t i = 1; i <= uri.size(); ++i) {
      const char given = uri[i - 1];
      next[i] = c == '*' ? given != '/' && (row[i - 1] || next[i - 1]) : given == c && row[i - 1];
    }
    row = next;
  }
  if (!everything_below) return row[uri.size()];
  for (size_t i = 0; i < uri.size(); ++i) {
    if (row[i] && uri[i] == '/') return true;
  }
  return false;
}

PeerIdentity Identity(absl::string_view lines) {
  PeerIdentity identity;
  for (const absl::string_view line : absl::StrSplit(lines, '\n')) {
    absl::string_view value = line;
    if (absl::ConsumePrefix(&value, "cn:")) {
      identity.common_name = std::string(value);
    } else if (absl::ConsumePrefix(&value, "ou:")) {
      identity.organizational_units.emplace_back(value);
    } else if (absl::ConsumePrefix(&value, "dns:")) {
      identity.dns_names.emplace_back(value);
    } else if (absl::ConsumePrefix(&value, "ip:")) {
      identity.ip_addresses.emplace_back(value);
    } else if (absl::ConsumePrefix(&value, "uri:")) {
      identity.uris.emplace_back(value);
    } else if (absl::ConsumePrefix(&value, "spki:")) {
      identity.spki_sha256 = std::string(value);
    }
  }
  return identity;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view input(reinterpret_cast<const char*>(data), size);
  const std::pair<absl::string_view, absl::string_view> halves =
      absl::StrSplit(input, absl::MaxSplits("\n\n", 1));
  const std::vector<std::string> texts = absl::StrSplit(halves.first, '\n');
  const PeerIdentity identity = Identity(halves.second);

  // Each rule alone, so that one that is refused does not hide the others.
  for (const std::string& text : texts) {
    const auto rules = AllowRules::Parse({text});
    if (!rules.ok()) {
      FUZZ_CHECK(!rules.status().message().empty());
      continue;
    }
    FUZZ_CHECK(!rules->empty());
    const absl::string_view matched = rules->Find(identity).rule;
    FUZZ_CHECK(matched.empty() || matched == text);
    absl::string_view pattern = text;
    if (absl::ConsumePrefix(&pattern, "uri:")) {
      const bool expected = std::any_of(
          identity.uris.begin(), identity.uris.end(),
          [pattern](const std::string& uri) { return UriMatchesByTable(pattern, uri); });
      FUZZ_CHECK(expected == !matched.empty());
    }
  }
  const auto all = AllowRules::Parse(texts);
  if (all.ok()) {
    const absl::string_view matched = all->Find(identity).rule;
    FUZZ_CHECK(matched.empty() || std::find(texts.begin(), texts.end(), matched) != texts.end());
  }
  return 0;
}
