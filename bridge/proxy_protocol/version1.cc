#include "bridge/proxy_protocol/version1.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace tlsbridge::proxy_protocol {
namespace {

constexpr absl::string_view kUnknown = "PROXY UNKNOWN";
constexpr absl::string_view kLineEnd = "\r\n";

// What follows UNKNOWN is ignored, whatever it is.
bool IsUnknown(absl::string_view held) {
  if (!absl::StartsWith(held, kUnknown) || held.size() == kUnknown.size()) return false;
  const char next = held[kUnknown.size()];
  return next == ' ' || next == '\r';
}

bool ParsePort(absl::string_view text, in_port_t* port) {
  uint32_t number;
  const bool digits = std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
  if (!digits || text.size() > 5 || !absl::SimpleAtoi(text, &number) || number > 65535 ||
      (text.size() > 1 && text[0] == '0')) {
    return false;
  }
  *port = htons(static_cast<uint16_t>(number));
  return true;
}

// inet_pton(3) refuses leading zeros and every short form of IPv4. It would stop at a NUL.
bool ParseHost(int family, absl::string_view text, void* address) {
  return !absl::StrContains(text, '\0') &&
         inet_pton(family, std::string(text).c_str(), address) == 1;
}

Malformed ParseV4(absl::string_view host, absl::string_view port, SocketAddress* address) {
  sockaddr_in v4 = {};
  v4.sin_family = AF_INET;
  if (!ParseHost(AF_INET, host, &v4.sin_addr)) return Malformed::kAddress;
  if (!ParsePort(port, &v4.sin_port)) return Malformed::kPort;
  *address = SocketAddress::From(reinterpret_cast<const sockaddr*>(&v4), sizeof(v4));
  return Malformed::kNone;
}

Malformed ParseV6(absl::string_view host, absl::string_view port, SocketAddress* address) {
  sockaddr_in6 v6 = {};
  v6.sin6_family = AF_INET6;
  if (!ParseHost(AF_INET6, host, &v6.sin6_addr)) return Malformed::kAddress;
  if (!ParsePort(port, &v6.sin6_port)) return Malformed::kPort;
  *address = SocketAddress::From(reinterpret_cast<const sockaddr*>(&v6), sizeof(v6));
  return Malformed::kNone;
}

}  // namespace

LineExtent FindLine(absl::string_view held) {
  const size_t compared = std::min(held.size(), kLineStart.size());
  if (held.substr(0, compared) != kLineStart.substr(0, compared)) {
    return {0, Malformed::kNoSignature};
  }
  const size_t end = held.find(kLineEnd);
  // Section 2.1: a lone line feed must not end the line. Only after UNKNOWN may it be part of it.
  if (!IsUnknown(held) && held.find('\n') < end) return {0, Malformed::kLineEnd};
  if (end != absl::string_view::npos) return {end + kLineEnd.size(), Malformed::kNone};
  if (held.size() >= kMaxLineBytes) return {0, Malformed::kLineTooLong};
  return {};
}

Malformed DecodeLine(absl::string_view line, Header* header) {
  if (IsUnknown(line)) return Malformed::kNone;
  line.remove_suffix(kLineEnd.size());
  const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
  if (words.size() < 2) return Malformed::kFields;
  if (words[1] != "TCP4" && words[1] != "TCP6") return Malformed::kFamily;
  if (words.size() != 6) return Malformed::kFields;
  auto* const parse = words[1] == "TCP4" ? &ParseV4 : &ParseV6;
  Header parsed;
  for (const auto& [host, port, address] : {std::tuple(words[2], words[4], &parsed.source),
                                            std::tuple(words[3], words[5], &parsed.destination)}) {
    if (const Malformed reason = parse(host, port, address); reason != Malformed::kNone) {
      return reason;
    }
  }
  *header = parsed;
  return Malformed::kNone;
}

}  // namespace tlsbridge::proxy_protocol
