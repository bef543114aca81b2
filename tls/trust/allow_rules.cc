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

bool Any(const std::vector<std::string>& values, absl::string_view pattern,
         bool (*matches)(absl::string_view, absl::string_view)) {
  return std::any_of(values.begin(), values.end(), [pattern, matches](const std::string& value) {
    return matches(pattern, value);
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
    if (rule.pattern.empty()) return Refuse(text, "has no pattern");
    if (parts.first == "cn") {
      rule.kind = Kind::kCommonName;
    } else if (parts.first == "ou") {
      rule.kind = Kind::kOrganizationalUnit;
    } else if (parts.first == "dns") {
      rule.kind = Kind::kDns;
      absl::AsciiStrToLower(&rule.pattern);
      const absl::string_view name = absl::StripPrefix(rule.pattern, "*.");
      if (absl::StrContains(name, '*')) return Refuse(text, "a * stands for the first label only");
    } else if (parts.first == "ip") {
      rule.kind = Kind::kIp;
      rule.pattern = CanonicalIp(rule.pattern);
      if (rule.pattern.empty()) return Refuse(text, "is no IP address");
    } else if (parts.first == "uri") {
      rule.kind = Kind::kUri;
      const absl::string_view path = absl::StripSuffix(rule.pattern, "/**");
      if (absl::StrContains(path, "**"))
        return Refuse(text, "** may stand at the end only, as /**");
      if (!absl::StrContains(path, "://")) return Refuse(text, "is no URI: it has no ://");
    } else if (parts.first == "spki") {
      rule.kind = Kind::kSpki;
      std::string digest;
      if (!absl::Base64Unescape(rule.pattern, &digest) || digest.size() != kSha256Bytes) {
        return Refuse(text, "is not the base64 of a SHA-256: 44 characters and nothing else");
      }
    } else {
      return Refuse(text, "begins with none of cn:, ou:, dns:, ip:, uri:, spki:");
    }
    // Else it would be taken for a wildcard by whoever reads the rule, and match nobody. But a
    // common name may itself be that of a wildcard certificate.
    const bool is_whole_name =
        rule.kind == Kind::kCommonName || rule.kind == Kind::kOrganizationalUnit;
    if (is_whole_name && absl::StrContains(absl::StripPrefix(rule.pattern, "*."), '*')) {
      return Refuse(text, "a name is compared whole; * stands for nothing in it");
    }
    parsed.rules_.push_back(std::move(rule));
  }
  return parsed;
}

bool AllowRules::Matches(const Rule& rule, const PeerIdentity& identity) {
  switch (rule.kind) {
    case Kind::kCommonName:
      return identity.common_name == rule.pattern;
    case Kind::kOrganizationalUnit:
      return Any(identity.organizational_units, rule.pattern, &Equal);
    case Kind::kDns:
      return Any(identity.dns_names, rule.pattern, &DnsMatches);
    case Kind::kIp:
      return Any(identity.ip_addresses, rule.pattern, &Equal);
    case Kind::kUri:
      return Any(identity.uris, rule.pattern, &UriMatches);
    case Kind::kSpki:
      return identity.spki_sha256 == rule.pattern;
  }
  return false;
}

absl::string_view AllowRules::Match(const PeerIdentity& identity) const {
  for (const Rule& rule : rules_) {
    if (Matches(rule, identity)) return rule.text;
  }
  return {};
}

std::vector<AllowRules::Outcome> AllowRules::Explain(const PeerIdentity& identity) const {
  std::vector<Outcome> outcomes;
  for (const Rule& rule : rules_) outcomes.push_back({rule.text, Matches(rule, identity)});
  return outcomes;
}

}  // namespace tlsbridge::tls
