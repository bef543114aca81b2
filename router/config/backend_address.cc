#include "router/config/backend_address.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "router/config/domain_name.h"

namespace tlsbridge {
namespace {

absl::Status Refuse(absl::string_view text, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("invalid backend '", text, "': ", why,
                   "; use HOST:PORT with a numeric host, [IPV6]:PORT, unix:/PATH, unix:@NAME, "
                   "dns:NAME:PORT or srv:_SERVICE._PROTOCOL.NAME"));
}

// A dot at the end makes it absolute: the search list is not for it (RFC 1034, section 3.1).
absl::StatusOr<std::string> ParseQueriedName(absl::string_view text) {
  const bool absolute = absl::ConsumeSuffix(&text, ".");
  absl::StatusOr<std::string> name = ParseDomainName(text);
  if (name.ok() && absolute) name->push_back('.');
  return name;
}

absl::StatusOr<BackendAddress> ParseDns(absl::string_view text, absl::string_view rest) {
  BackendAddress address;
  address.kind = BackendAddress::Kind::kDns;
  const size_t colon = rest.rfind(':');
  if (colon == absl::string_view::npos) return Refuse(text, "missing port");
  const absl::string_view port_text = rest.substr(colon + 1);
  uint32_t port = 0;
  if (!std::all_of(port_text.begin(), port_text.end(), absl::ascii_isdigit) ||
      !absl::SimpleAtoi(port_text, &port) || port == 0 || port > 65535) {
    return Refuse(text, "invalid port (1 to 65535)");
  }
  absl::StatusOr<std::string> name = ParseQueriedName(rest.substr(0, colon));
  if (!name.ok()) return Refuse(text, name.status().message());
  address.name = *std::move(name);
  address.port = static_cast<uint16_t>(port);
  return address;
}

absl::StatusOr<BackendAddress> ParseSrv(absl::string_view text, absl::string_view rest) {
  BackendAddress address;
  address.kind = BackendAddress::Kind::kSrv;
  const std::vector<absl::string_view> labels = absl::StrSplit(absl::StripSuffix(rest, "."), '.');
  // RFC 2782: _Service._Proto.Name.
  if (labels.size() < 3 || !absl::StartsWith(labels[0], "_") || !absl::StartsWith(labels[1], "_")) {
    return Refuse(text, "an SRV name must begin with _SERVICE._PROTOCOL.");
  }
  absl::StatusOr<std::string> name = ParseQueriedName(rest);
  if (!name.ok()) return Refuse(text, name.status().message());
  address.name = *std::move(name);
  return address;
}

}  // namespace

absl::StatusOr<BackendAddress> ParseBackendAddress(absl::string_view text) {
  absl::string_view rest = text;
  if (absl::ConsumePrefix(&rest, "dns:")) return ParseDns(text, rest);
  if (absl::ConsumePrefix(&rest, "srv:")) return ParseSrv(text, rest);
  BackendAddress address;
  absl::StatusOr<SocketAddress> socket = SocketAddress::Parse(text);
  if (!socket.ok()) {
    if (!ParseDns(text, text).ok()) return socket.status();
    return Refuse(text, absl::StrCat("a host name is given as 'dns:", text, "'"));
  }
  if (!socket->is_unix() && socket->port() == 0) {
    return Refuse(text, "port 0 cannot be connected to");
  }
  address.socket = *std::move(socket);
  return address;
}

std::string BackendAddress::ToString() const {
  switch (kind) {
    case Kind::kDns:
      return absl::StrCat("dns:", name, ":", port);
    case Kind::kSrv:
      return absl::StrCat("srv:", name);
    case Kind::kSocket:
      break;
  }
  return socket.ToString();
}

}  // namespace tlsbridge
