#include "router/admin/query.h"

#include <array>
#include <optional>

#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace tlsbridge {
namespace {

using Value = absl::string_view;

absl::Status Wrong(absl::string_view name, absl::string_view value, absl::string_view allowed) {
  return absl::InvalidArgumentError(
      absl::StrCat(name, ": '", absl::CHexEscape(value), "' is not allowed; use ", allowed));
}

std::optional<std::string> Decode(absl::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded.push_back(text[i]);
      continue;
    }
    const absl::string_view digits = text.substr(i + 1, 2);
    if (digits.size() < 2 || !absl::ascii_isxdigit(static_cast<unsigned char>(digits[0])) ||
        !absl::ascii_isxdigit(static_cast<unsigned char>(digits[1]))) {
      return std::nullopt;
    }
    decoded += absl::HexStringToBytes(digits);
    i += 2;
  }
  return decoded;
}

// What a page can be asked, and who takes it.
struct Parameter {
  absl::string_view name;
  absl::FunctionRef<absl::Status(Value)> take;
};

absl::Status TakeAll(absl::string_view query, std::initializer_list<Parameter> known) {
  const auto given = ParseQuery(query);
  if (!given.ok()) return given.status();
  for (const auto& [name, value] : *given) {
    const Parameter* found = nullptr;
    for (const Parameter& parameter : known) {
      if (parameter.name == name) found = &parameter;
    }
    if (found == nullptr) {
      const auto append = [](std::string* out, const Parameter& parameter) {
        absl::StrAppend(out, parameter.name);
      };
      return absl::InvalidArgumentError(absl::StrCat("unknown parameter '", absl::CHexEscape(name),
                                                     "'; use ",
                                                     absl::StrJoin(known, ", ", append)));
    }
    if (absl::Status status = found->take(value); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status TakeNumber(absl::string_view name, Value value, uint64_t* number) {
  if (absl::SimpleAtoi(value, number)) return absl::OkStatus();
  return Wrong(name, value, "a number");
}

absl::Status TakeLimit(Value value, size_t most, size_t* limit) {
  uint64_t number = 0;
  if (!absl::SimpleAtoi(value, &number) || number < 1 || number > most) {
    return Wrong("limit", value, absl::StrCat("a number from 1 to ", most));
  }
  *limit = number;
  return absl::OkStatus();
}

absl::Status TakeReason(Value value, std::optional<TerminationReason>* reason) {
  std::vector<absl::string_view> names;
  for (size_t i = 1; i < kTerminationReasons; ++i) {
    names.push_back(TerminationReasonName(static_cast<TerminationReason>(i)));
    if (value != names.back()) continue;
    *reason = static_cast<TerminationReason>(i);
    return absl::OkStatus();
  }
  return Wrong("reason", value, absl::StrCat("one of ", absl::StrJoin(names, ", ")));
}

absl::Status TakeState(Value value, std::optional<BridgeState>* state) {
  std::vector<absl::string_view> names;
  for (int i = 0; i <= static_cast<int>(BridgeState::kClosed); ++i) {
    names.emplace_back(BridgeStateName(static_cast<BridgeState>(i)));
    if (value != names.back()) continue;
    *state = static_cast<BridgeState>(i);
    return absl::OkStatus();
  }
  return Wrong("state", value, absl::StrCat("one of ", absl::StrJoin(names, ", ")));
}

absl::Status TakeName(absl::string_view name, Value value, std::optional<std::string>* taken) {
  if (value.empty()) return Wrong(name, value, "the name of a route");
  *taken = std::string(value);
  return absl::OkStatus();
}

absl::Status TakePeer(Value value, ConnectionFilter* filter) {
  if (value == "unix:") {
    filter->unix_peer = true;
    return absl::OkStatus();
  }
  if (const auto block = Cidr::Parse(value); block.ok()) {
    filter->peer = *block;
    return absl::OkStatus();
  }
  if (const auto address = SocketAddress::Parse(value); address.ok() && !address->is_unix()) {
    filter->peer = Cidr::Around(*address, 32, 128);
    filter->peer_port = address->port();
    return absl::OkStatus();
  }
  return Wrong("peer", value, "an IP address, a block of them, IP:PORT, [IPV6]:PORT or unix:");
}

}  // namespace

absl::StatusOr<QueryParameters> ParseQuery(absl::string_view query) {
  QueryParameters parameters;
  absl::flat_hash_set<std::string> known;
  for (const absl::string_view parameter : absl::StrSplit(query, '&', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(parameter, absl::MaxSplits('=', 1));
    auto name = Decode(parts.first);
    auto value = Decode(parts.second);
    if (!name || !value) {
      return absl::InvalidArgumentError(absl::StrCat(
          "'", absl::CHexEscape(parameter), "': % must be followed by two hexadecimal digits"));
    }
    if (!known.insert(*name).second) {
      return absl::InvalidArgumentError(absl::StrCat(absl::CHexEscape(*name), ": is given twice"));
    }
    parameters.emplace_back(*std::move(name), *std::move(value));
  }
  return parameters;
}

absl::StatusOr<ConnectionPage> ConnectionPage::Parse(absl::string_view query) {
  ConnectionPage page;
  const absl::Status status =
      TakeAll(query, {{"route", [&](Value v) { return TakeName("route", v, &page.filter.route); }},
                      {"reason", [&](Value v) { return TakeReason(v, &page.filter.reason); }},
                      {"peer", [&](Value v) { return TakePeer(v, &page.filter); }},
                      {"state", [&](Value v) { return TakeState(v, &page.filter.state); }},
                      {"limit", [&](Value v) { return TakeLimit(v, kMost, &page.limit); }},
                      {"after", [&](Value v) { return TakeNumber("after", v, &page.after); }}});
  if (!status.ok()) return status;
  return page;
}

absl::StatusOr<RecentEnds::Query> ParseEndedQuery(absl::string_view query) {
  RecentEnds::Query wanted;
  const absl::Status status = TakeAll(
      query, {{"id", [&](Value v) { return TakeNumber("id", v, &wanted.id.emplace()); }},
              {"route", [&](Value v) { return TakeName("route", v, &wanted.filter.route); }},
              {"reason", [&](Value v) { return TakeReason(v, &wanted.filter.reason); }},
              {"peer", [&](Value v) { return TakePeer(v, &wanted.filter); }},
              {"limit", [&](Value v) { return TakeLimit(v, RecentEnds::kMost, &wanted.limit); }}});
  if (!status.ok()) return status;
  return wanted;
}

absl::StatusOr<RecentFailures::Query> ParseFailureQuery(absl::string_view query) {
  RecentFailures::Query wanted;
  const absl::Status status = TakeAll(
      query,
      {{"reason", [&](Value v) { return TakeReason(v, &wanted.reason); }},
       {"route", [&](Value v) { return TakeName("route", v, &wanted.route); }},
       {"limit", [&](Value v) { return TakeLimit(v, RecentFailures::kMost, &wanted.limit); }},
       {"after", [&](Value v) { return TakeNumber("after", v, &wanted.after); }}});
  if (!status.ok()) return status;
  return wanted;
}

absl::StatusOr<LogLevel> ParseLevelQuery(absl::string_view query) {
  std::optional<LogLevel> level;
  const absl::Status status = TakeAll(query, {{"level", [&](Value v) -> absl::Status {
                                                 level = ParseLogLevel(v);
                                                 if (level) return absl::OkStatus();
                                                 return Wrong("level", v, kLogLevelNames);
                                               }}});
  if (!status.ok()) return status;
  if (!level) return absl::InvalidArgumentError(absl::StrCat("use ?level=, ", kLogLevelNames));
  return *level;
}

}  // namespace tlsbridge
