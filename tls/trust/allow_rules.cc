#include "tls/trust/allow_rules.h"

#include <arpa/inet.h>

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace tlsbridge::tls {
namespace {

constexpr size_t kSha256Bytes = 32;

absl::Status Refuse(absl::string_view rule, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("rule '", rule, "': ", why));
}

// The form in which IdentityOf() writes addresses; empty if it is none.
std::string CanonicalIp(const std::string& text) {
  uint8_t address[16];
  char canonical[INET6_ADDRSTRLEN];
  for (const int family : {AF_INET, AF_INET6}) {
    if (inet_pton(family, text.c_str(), address) == 1) {
      return inet_ntop(family, address, canonical, sizeof(canonical));
    }
  }
  return {};
}

// `segment` and `pattern` have no slash. Each * stands for at least one character. The earliest
// place for each part leaves most to those after it, so that none is tried twice: a client chooses
// the segment.
bool SegmentMatches(absl::string_view pattern, absl::string_view segment) {
  size_t star = pattern.find('*');
  if (star == absl::string_view::npos) return pattern == segment;
  if (!absl::ConsumePrefix(&segment, pattern.substr(0, star))) return false;
  pattern.remove_prefix(star + 1);
  while ((star = pattern.find('*')) != absl::string_view::npos) {
    const size_t at = segment.find(pattern.substr(0, star), 1);
    if (at == absl::string_view::npos) return false;
    segment.remove_prefix(at + star);
    pattern.remove_prefix(star + 1);
  }
  return segment.size() > pattern.size() && absl::EndsWith(segment, pattern);
}

bool DnsMatches(absl::string_view pattern, absl::string_view name) {
  if (!absl::ConsumePrefix(&pattern, "*.")) return pattern == name;
  const size_t dot = name.find('.');
  return dot != absl::string_view::npos && dot > 0 && name.substr(dot + 1) == pattern;
}

const std::string* First(const std::vector<std::string>& values, absl::string_view pattern,
                         bool (*matches)(absl::string_view, absl::string_view)) {
  const auto found = std::find_if(
      values.begin(), values.end(),
      [pattern, matches](const std::string& value) { return matches(pattern, value); });
  return found == values.end() ? nullptr : &*found;
}

// In lower case.
bool IsDnsName(absl::string_view name) {
  const std::vector<absl::string_view> labels = absl::StrSplit(name, '.');
  return std::all_of(labels.begin(), labels.end(), [](absl::string_view label) {
    return !label.empty() && label.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_") ==
                                 absl::string_view::npos;
  });
}

bool Equal(absl::string_view pattern, absl::string_view value) { return pattern == value; }

}  // namespace

bool UriMatches(absl::string_view pattern, absl::string_view uri) {
  const bool everything_below = absl::ConsumeSuffix(&pattern, "/**");
  const std::vector<absl::string_view> wanted = absl::StrSplit(pattern, '/');
  const std::vector<absl::string_view> given = absl::StrSplit(uri, '/');
  if (everything_below ? given.size() <= wanted.size() : given.size() != wanted.size()) {
    return false;
  }
  return std::equal(wanted.begin(), wanted.end(), given.begin(), &SegmentMatches);
}

absl::StatusOr<AllowRules> AllowRules::Parse(absl::Span<const std::string> rules) {
  AllowRules parsed;
  for (const std::string& text : rules) {
    const std::pair<std::string, std::string> parts = absl::StrSplit(text, absl::MaxSplits(':', 1));
    Rule rule = {Kind::kCommonName, parts.second, text};
    if (rule.pattern.empty()) return Refuse(text, "missing pattern");
    if (absl::StripAsciiWhitespace(rule.pattern) != rule.pattern && parts.first != "spki") {
      return Refuse(text, "leading or trailing white space around the pattern");
    }
    if (parts.first == "cn") {
      rule.kind = Kind::kCommonName;
    } else if (parts.first == "ou") {
      rule.kind = Kind::kOrganizationalUnit;
    } else if (parts.first == "dns") {
      rule.kind = Kind::kDns;
      absl::AsciiStrToLower(&rule.pattern);
      if (rule.pattern.back() == '.') rule.pattern.pop_back();  // the root's, which no SAN has
      const absl::string_view name = absl::StripPrefix(rule.pattern, "*.");
      if (absl::StrContains(name, '*'))
        return Refuse(text, "* is a wildcard in the first label only");
      if (!IsDnsName(name)) {
        return Refuse(text, "not a DNS name (non-ASCII names must be given in punycode, xn--...)");
      }
    } else if (parts.first == "ip") {
      rule.kind = Kind::kIp;
      rule.pattern = CanonicalIp(rule.pattern);
      if (rule.pattern.empty()) return Refuse(text, "not an IP address");
    } else if (parts.first == "uri") {
      rule.kind = Kind::kUri;
      const absl::string_view path = absl::StripSuffix(rule.pattern, "/**");
      if (absl::StrContains(path, "**"))
        return Refuse(text, "** is allowed at the end only, as /**");
      if (!absl::StrContains(path, "://")) return Refuse(text, "not a URI: it has no ://");
      if (absl::StartsWithIgnoreCase(path, "spiffe://")) {
        // Of a SPIFFE ID both are in lower case (SPIFFE-ID section 2).
        const absl::string_view head = path.substr(0, path.find('/', sizeof("spiffe://") - 1));
        if (absl::AsciiStrToLower(head) != head) {
          return Refuse(text, "scheme and trust domain of a SPIFFE ID must be lower case");
        }
      }
    } else if (parts.first == "spki") {
      rule.kind = Kind::kSpki;
      // Padding and white space are matters of taste; what is compared is what IdentityOf() writes.
      std::string digest;
      if (!absl::Base64Unescape(rule.pattern, &digest) || digest.size() != kSha256Bytes) {
        return Refuse(text, "not the base64 of a SHA-256 (44 characters)");
      }
      rule.pattern = absl::Base64Escape(digest);
    } else {
      const bool is_uri = absl::StartsWith(parts.second, "//");  // spiffe://...
      return Refuse(text,
                    absl::StrCat("must begin with cn:, ou:, dns:, ip:, uri: or spki:",
                                 is_uri ? absl::StrCat(" (did you mean 'uri:", text, "'?)") : ""));
    }
    // Else it would be taken for a wildcard by whoever reads the rule, and match nobody. But a
    // common name may itself be that of a wildcard certificate.
    const bool is_whole_name =
        rule.kind == Kind::kCommonName || rule.kind == Kind::kOrganizationalUnit;
    if (is_whole_name && absl::StrContains(absl::StripPrefix(rule.pattern, "*."), '*')) {
      return Refuse(text, "names are compared whole: * is not a wildcard here");
    }
    parsed.rules_.push_back(std::move(rule));
  }
  return parsed;
}

const std::string* AllowRules::Matched(const Rule& rule, const PeerIdentity& identity) {
  const auto if_equal = [&rule](const std::string& value) {
    return value == rule.pattern ? &value : nullptr;
  };
  switch (rule.kind) {
    case Kind::kCommonName:
      return if_equal(identity.common_name);
    case Kind::kOrganizationalUnit:
      return First(identity.organizational_units, rule.pattern, &Equal);
    case Kind::kDns:
      return First(identity.dns_names, rule.pattern, &DnsMatches);
    case Kind::kIp:
      return First(identity.ip_addresses, rule.pattern, &Equal);
    case Kind::kUri:
      return First(identity.uris, rule.pattern, &UriMatches);
    case Kind::kSpki:
      return if_equal(identity.spki_sha256);
  }
  return nullptr;
}

AllowRules::Match AllowRules::Find(const PeerIdentity& identity) const {
  Match match;
  for (const Rule& rule : rules_) {
    const std::string* const matched = Matched(rule, identity);
    if (matched == nullptr) continue;
    if (IsForSpiffeId(rule) && identity.uri_count > 1) {
      match.several_uris = true;
      continue;
    }
    match = {.rule = rule.text};
    match.is_uri = rule.kind == Kind::kUri;
    // Many have the same unit, and a key's digest tells people nothing.
    const bool names_one = rule.kind != Kind::kOrganizationalUnit && rule.kind != Kind::kSpki;
    if (names_one) match.name = *matched;
    return match;
  }
  return match;
}

bool AllowRules::IsForSpiffeId(const Rule& rule) {
  return rule.kind == Kind::kUri && absl::StartsWith(rule.pattern, "spiffe://");
}

std::vector<AllowRules::Outcome> AllowRules::Explain(const PeerIdentity& identity) const {
  std::vector<Outcome> outcomes;
  for (const Rule& rule : rules_) {
    const bool matches = Matched(rule, identity) != nullptr;
    outcomes.push_back({rule.text, matches && !(IsForSpiffeId(rule) && identity.uri_count > 1)});
  }
  return outcomes;
}

}  // namespace tlsbridge::tls
