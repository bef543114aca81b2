#include "router/yaml/values.h"

#include <algorithm>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "router/config/backend_address.h"
#include "router/config/domain_name.h"
#include "tls/hello/protocol_check.h"
#include "tls/trust/allow_rules.h"

namespace tlsbridge::yaml {
namespace {

// Longer ones are slips, or "never", for which there is zero.
constexpr absl::Duration kLongest = absl::Hours(24 * 365 * 10);
constexpr size_t kLongestRouteName = 64;

// The caller says what is expected.
absl::Status NotAllowed() { return absl::InvalidArgumentError(""); }

absl::Status NotAllowed(absl::string_view text, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(Quoted(text), " is not allowed: ", why));
}

bool AllDigits(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
}

// Decimal, without sign or leading zeros, of which YAML 1.1 makes octal numbers.
template <class T>
bool ParseInteger(absl::string_view text, T* value) {
  const bool negative = absl::StartsWith(text, "-");
  const absl::string_view digits = text.substr(negative ? 1 : 0);
  if (!AllDigits(digits) || (digits.size() > 1 && digits[0] == '0')) return false;
  return absl::SimpleAtoi(text, value);
}

template <class T>
TypePtr<T> IntegerType(const std::string& name, T least, T most, const std::string& zero) {
  typename ScalarType<T>::Options options;
  options.name = name;
  options.allowed = most == std::numeric_limits<T>::max()
                        ? absl::StrCat(least, " or more")
                        : absl::StrCat("from ", least, " to ", most);
  if (!zero.empty()) absl::StrAppend(&options.allowed, ", 0 ", zero);
  options.schema = {{"type", "integer"}, {"minimum", least}};
  if (most != std::numeric_limits<T>::max()) options.schema["maximum"] = most;
  options.plain = true;
  options.parse = [least, most](const std::string& text) -> absl::StatusOr<T> {
    T value;
    if (!ParseInteger(text, &value) || value < least || value > most) return NotAllowed();
    return value;
  };
  options.write = [](const T& value) -> Json { return value; };
  return std::make_shared<ScalarType<T>>(std::move(options));
}

// A text of which `check` makes the value, or says why not.
TypePtr<std::string> CheckedText(
    std::string name, std::function<absl::StatusOr<std::string>(const std::string&)> check) {
  ScalarType<std::string>::Options options;
  options.name = std::move(name);
  options.schema = {{"type", "string"}};
  options.parse = std::move(check);
  options.write = [](const std::string& value) -> Json {
    return value.empty() ? Json() : Json(value);
  };
  return std::make_shared<ScalarType<std::string>>(std::move(options));
}

// `parse` says itself what is wrong; `T` has a ToString().
template <class T>
TypePtr<T> ParsedType(const std::string& name, absl::StatusOr<T> (*parse)(absl::string_view)) {
  typename ScalarType<T>::Options options;
  options.name = name;
  options.schema = {{"type", "string"}};
  options.parse = [parse](const std::string& text) { return parse(text); };
  options.write = [](const T& value) -> Json { return value.ToString(); };
  return std::make_shared<ScalarType<T>>(std::move(options));
}

// Names that the library knows.
absl::StatusOr<std::string> Known(const std::string& text, const tls::ProtocolOptions& options) {
  if (text.empty()) return absl::InvalidArgumentError("empty value; remove the key");
  const absl::Status status = tls::CheckProtocolOptions(options);
  if (status.ok()) return text;
  // Without the option's name, which stands in front anyway.
  const absl::string_view why = status.message();
  return absl::InvalidArgumentError(why.substr(why.find(": ") + 2));
}

class FileNameType : public TypeOf<std::string> {
 public:
  explicit FileNameType(std::string content) : content_(std::move(content)) {}
  std::string Describe() const override { return absl::StrCat("file: ", content_); }
  Json Schema() const override { return {{"type", "string"}}; }

 protected:
  void ReadInto(const Node& node, const std::string& path, Reading* reading,
                std::string* target) const override {
    if (node.kind != Node::Kind::kScalar) {
      reading->Add(node.mark, path,
                   absl::StrCat("expected ", Describe(), ", not ", KindName(node)));
      return;
    }
    absl::StatusOr<std::string> file = reading->ResolveFile(node.text);
    if (!file.ok()) {
      reading->Add(node.mark, path, file.status().message());
      return;
    }
    *target = *file;
    reading->NoteFile(node.mark, path, *std::move(file));
  }
  Json WriteFrom(const std::string& value) const override {
    return value.empty() ? Json() : Json(value);
  }

 private:
  const std::string content_;
};

}  // namespace

TypePtr<absl::Duration> DurationType(absl::Duration least, const std::string& zero) {
  ScalarType<absl::Duration>::Options options;
  options.name = "duration";
  options.allowed =
      absl::StrCat(least == absl::ZeroDuration() ? "0" : absl::FormatDuration(least), " or more");
  if (!zero.empty()) absl::StrAppend(&options.allowed, ", 0 ", zero);
  options.hint = "such as 500ms, 30s, 5m or 1h30m";
  Json text = {{"type", "string"}, {"pattern", "^([0-9]+(\\.[0-9]+)?(h|ms|m|s))+$|^0$"}};
  options.schema = least == absl::ZeroDuration()
                       ? Json{{"anyOf", {std::move(text), {{"const", 0}}}}}
                       : std::move(text);
  options.parse = [least](const std::string& text) -> absl::StatusOr<absl::Duration> {
    absl::Duration value;
    if (text.empty() || !absl::ascii_isdigit(text[0]) ||
        text.find_first_not_of("0123456789.hms") != std::string::npos ||
        !absl::ParseDuration(text, &value) || value < least) {
      return NotAllowed();
    }
    if (value > kLongest) return NotAllowed(text, "longer than ten years (87600h)");
    return value;
  };
  options.write = [](const absl::Duration& value) -> Json { return absl::FormatDuration(value); };
  return std::make_shared<ScalarType<absl::Duration>>(std::move(options));
}

TypePtr<int64_t> CountType(const std::string& unit, int64_t least, int64_t most,
                           const std::string& zero) {
  return IntegerType<int64_t>(absl::StrCat("number of ", unit), least, most, zero);
}

TypePtr<int> IntType(const std::string& unit, int least, int most, const std::string& zero) {
  return IntegerType<int>(unit.empty() ? "number" : absl::StrCat("number of ", unit), least, most,
                          zero);
}

TypePtr<uint32_t> WeightType() {
  return IntegerType<uint32_t>("number", 0, 1000, "gets no connections");
}

TypePtr<double> NumberType(double least, double most) {
  ScalarType<double>::Options options;
  options.name = "number";
  options.allowed = absl::StrCat("from ", least, " to ", most);
  options.schema = {{"type", "number"}, {"minimum", least}, {"maximum", most}};
  options.plain = true;
  options.parse = [least, most](const std::string& text) -> absl::StatusOr<double> {
    double value;
    // Neither "nan" nor "0x1p3", which SimpleAtod takes.
    if (text.find_first_not_of("0123456789.-") != std::string::npos ||
        !absl::SimpleAtod(text, &value) || value < least || value > most) {
      return NotAllowed();
    }
    return value;
  };
  options.write = [](const double& value) -> Json {
    const auto whole = static_cast<int64_t>(value);
    return static_cast<double>(whole) == value ? Json(whole) : Json(value);
  };
  return std::make_shared<ScalarType<double>>(std::move(options));
}

TypePtr<bool> BoolType() {
  ScalarType<bool>::Options options;
  options.name = "true or false";
  options.schema = {{"type", "boolean"}};
  options.plain = true;
  options.parse = [](const std::string& text) -> absl::StatusOr<bool> {
    if (text != "true" && text != "false") return NotAllowed();
    return text == "true";
  };
  options.write = [](const bool& value) -> Json { return value; };
  return std::make_shared<ScalarType<bool>>(std::move(options));
}

TypePtr<std::string> TextType(std::string name) {
  return CheckedText(std::move(name), [](const std::string& text) -> absl::StatusOr<std::string> {
    if (text.empty()) return absl::InvalidArgumentError("empty value; remove the key");
    return text;
  });
}

TypePtr<std::string> CipherListType() {
  return CheckedText("list with colons",
                     [](const std::string& text) { return Known(text, {.ciphers = text}); });
}

TypePtr<std::string> GroupListType() {
  return CheckedText("list with colons",
                     [](const std::string& text) { return Known(text, {.groups = text}); });
}

TypePtr<std::string> RouteNameType() {
  return CheckedText("name", [](const std::string& text) -> absl::StatusOr<std::string> {
    const bool right = !text.empty() && text.size() <= kLongestRouteName &&
                       std::all_of(text.begin(), text.end(), [](char c) {
                         return absl::ascii_isalnum(c) || absl::StrContains("-_.", c);
                       });
    if (right) return text;
    return NotAllowed(text, "a name must be 1 to 64 letters, digits, '-', '_' or dots");
  });
}

// A table of that name is replaced: by its name alone it must be ours. Nor is such a name ever a
// word of nft's own, which would end its text.
TypePtr<std::string> KernelTableType() {
  return CheckedText(
      "tlsbridge or tlsbridge-NAME", [](const std::string& text) -> absl::StatusOr<std::string> {
        absl::string_view rest = text;
        const bool right = absl::ConsumePrefix(&rest, "tlsbridge") &&
                           (rest.empty() || (rest[0] == '-' && rest.size() > 1)) &&
                           text.size() <= kLongestRouteName &&
                           std::all_of(rest.begin(), rest.end(), [](char c) {
                             return absl::ascii_isalnum(c) || absl::StrContains("-_.", c);
                           });
        if (right) return text;
        return NotAllowed(text,
                          "must be tlsbridge or tlsbridge-NAME (letters, digits, '-', '_', dots; "
                          "64 in all), because an existing table of that name is replaced");
      });
}

TypePtr<std::string> DomainPatternType() {
  return CheckedText("domain, *.domain (one label) or *",
                     [](const std::string& text) -> absl::StatusOr<std::string> {
                       absl::StatusOr<std::string> domain = ParseDomainPattern(text);
                       if (domain.ok()) return domain;
                       return absl::InvalidArgumentError(absl::StrCat(
                           "invalid domain ", Quoted(text), ": ", domain.status().message(),
                           "; use orders.internal, *.internal or *"));
                     });
}

TypePtr<std::string> ServerNameType() {
  return CheckedText("DNS name", [](const std::string& text) -> absl::StatusOr<std::string> {
    absl::StatusOr<std::string> name = ParseDomainName(text);
    if (name.ok()) return name;
    return absl::InvalidArgumentError(
        absl::StrCat("invalid DNS name ", Quoted(text), ": ", name.status().message()));
  });
}

TypePtr<std::string> VerifyNameType() {
  return CheckedText(
      "DNS name or IP address", [](const std::string& text) -> absl::StatusOr<std::string> {
        if (!absl::StrContains(text, '/') && Cidr::Parse(text).ok()) return text;
        absl::StatusOr<std::string> name = ParseDomainName(text);
        if (name.ok()) return name;
        return absl::InvalidArgumentError(absl::StrCat(
            Quoted(text), " is neither a DNS name nor an IP address: ", name.status().message()));
      });
}

TypePtr<std::string> ProtocolType() {
  return CheckedText("ALPN protocol", [](const std::string& text) -> absl::StatusOr<std::string> {
    // RFC 7301 section 3.1 allows any byte; those in use are printable.
    const bool right = !text.empty() && text.size() <= 255 &&
                       std::all_of(text.begin(), text.end(), absl::ascii_isgraph);
    if (right) return text;
    return NotAllowed(text,
                      "an ALPN protocol must be 1 to 255 visible ASCII characters, such as h2");
  });
}

TypePtr<std::string> AllowRuleType() {
  return CheckedText("rule, KIND:PATTERN",
                     [](const std::string& text) -> absl::StatusOr<std::string> {
                       const auto rules = tls::AllowRules::Parse({text});
                       if (!rules.ok()) return rules.status();
                       return text;
                     });
}

TypePtr<std::string> FileType(std::string content) {
  return std::make_shared<FileNameType>(std::move(content));
}

TypePtr<SocketAddress> AddressType() {
  return ParsedType<SocketAddress>("address", SocketAddress::Parse);
}

TypePtr<BackendAddress> BackendAddressType() {
  return ParsedType<BackendAddress>("address, dns: or srv: name", ParseBackendAddress);
}

TypePtr<Cidr> CidrType() { return ParsedType<Cidr>("address or block", Cidr::Parse); }

TypePtr<PortRange> PortRangeType() {
  ScalarType<PortRange>::Options options;
  options.name = "port or range of ports";
  options.allowed = "such as 8443 or 9000-9099";
  options.schema = {{"anyOf",
                     {{{"type", "integer"}, {"minimum", 1}, {"maximum", 65535}},
                      {{"type", "string"}, {"pattern", "^[0-9]+(-[0-9]+)?$"}}}}};
  options.parse = [](const std::string& text) -> absl::StatusOr<PortRange> {
    const size_t dash = text.find('-');
    int first;
    int last;
    if (!ParseInteger(absl::string_view(text).substr(0, dash), &first)) return NotAllowed();
    last = first;
    if (dash != std::string::npos &&
        !ParseInteger(absl::string_view(text).substr(dash + 1), &last)) {
      return NotAllowed();
    }
    if (first < 1 || last > 65535 || first > 65535) {
      return NotAllowed(text, "ports must be 1 to 65535");
    }
    if (last < first) return NotAllowed(text, "the range ends before it begins");
    return PortRange{static_cast<uint16_t>(first), static_cast<uint16_t>(last)};
  };
  options.write = [](const PortRange& range) -> Json {
    return range.first == range.last ? Json(range.first)
                                     : Json(absl::StrCat(range.first, "-", range.last));
  };
  return std::make_shared<ScalarType<PortRange>>(std::move(options));
}

TypePtr<LogLevel> LogLevelType() {
  return EnumType<LogLevel>({{"debug", LogLevel::kDebug},
                             {"info", LogLevel::kInfo},
                             {"warning", LogLevel::kWarning},
                             {"error", LogLevel::kError},
                             {"off", LogLevel::kOff}});
}

}  // namespace tlsbridge::yaml
