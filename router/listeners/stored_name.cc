#include "router/listeners/stored_name.h"

#include <stdint.h>

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"

namespace tlsbridge {
namespace {

constexpr absl::string_view kListener = "tlsbridge-listener";
constexpr absl::string_view kAdmin = "tlsbridge-admin";
constexpr size_t kLongest = 255;

// A name has printable ASCII characters but ":".
std::string Escape(absl::string_view text) {
  std::string escaped;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (absl::ascii_isgraph(byte) && c != ':' && c != '%' && c != '=') {
      escaped += c;
    } else {
      absl::StrAppendFormat(&escaped, "%%%02X", byte);
    }
  }
  return escaped;
}

int Digit(char c) {
  if (absl::ascii_isdigit(static_cast<unsigned char>(c))) return c - '0';
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

std::optional<SocketAddress> AddressOf(absl::string_view escaped) {
  std::string text;
  for (size_t i = 0; i < escaped.size(); ++i) {
    if (escaped[i] != '%') {
      text += escaped[i];
      continue;
    }
    const int high = i + 2 < escaped.size() ? Digit(escaped[i + 1]) : -1;
    const int low = i + 2 < escaped.size() ? Digit(escaped[i + 2]) : -1;
    if (high < 0 || low < 0) return std::nullopt;
    text += static_cast<char>(high * 16 + low);
    i += 2;
  }
  auto address = SocketAddress::Parse(text);
  if (!address.ok()) return std::nullopt;
  return *address;
}

}  // namespace

std::string StoredName::ToString() const {
  std::string name = absl::StrCat(use == InheritedSockets::Use::kAdmin ? kAdmin : kListener, "=",
                                  Escape(wanted.ToString()));
  if (!(wanted == bound)) absl::StrAppend(&name, "=", Escape(bound.ToString()));
  return name.size() <= kLongest ? name : "";
}

std::optional<StoredName> ParseStoredName(absl::string_view name) {
  const std::vector<absl::string_view> parts = absl::StrSplit(name, '=');
  if (parts.size() != 2 && parts.size() != 3) return std::nullopt;
  StoredName parsed;
  if (parts[0] == kAdmin) {
    parsed.use = InheritedSockets::Use::kAdmin;
  } else if (parts[0] != kListener) {
    return std::nullopt;
  }
  const auto wanted = AddressOf(parts[1]);
  const auto bound = AddressOf(parts.back());
  if (!wanted || !bound) return std::nullopt;
  parsed.wanted = *wanted;
  parsed.bound = *bound;
  return parsed;
}

}  // namespace tlsbridge
