#include "router/yaml/text_check.h"

#include <stdint.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace tlsbridge::yaml {
namespace {

// The length of the character at the beginning of `text`, zero if it is not UTF-8 (RFC 3629
// section 4).
size_t Utf8Length(absl::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  uint8_t least = 0x80;
  uint8_t most = 0xbf;
  if (first == 0xe0) least = 0xa0;  // not overlong
  if (first == 0xed) most = 0x9f;   // no surrogate
  if (first == 0xf0) least = 0x90;
  if (first == 0xf4) most = 0x8f;  // U+10FFFF at most
  if (byte(1) < least || byte(1) > most) return 0;
  for (size_t i = 2; i < length; ++i) {
    if (byte(i) < 0x80 || byte(i) > 0xbf) return 0;
  }
  return length;
}

}  // namespace

std::optional<LoadError> CheckText(absl::string_view text) {
  if (text.size() > kMaxFileBytes) {
    return LoadError{
        {}, absl::StrCat("too large: ", text.size(), " bytes; ", kMaxFileBytes, " are allowed")};
  }
  Mark mark;
  bool indentation = true;
  std::optional<LoadError> tab;  // harmless on a line without words
  for (size_t i = 0; i < text.size();) {
    const size_t length = Utf8Length(text.substr(i));
    const auto byte = static_cast<uint8_t>(text[i]);
    if (length == 0) {
      return LoadError{mark,
                       absl::StrFormat("byte 0x%02x is not UTF-8; save the file as UTF-8", byte)};
    }
    if (byte == '\n') {
      mark = {mark.line + 1, 1};
      indentation = true;
      tab.reset();
      ++i;
      continue;
    }
    if ((byte < 0x20 && byte != '\t' && byte != '\r') || byte == 0x7f) {
      return LoadError{mark, absl::StrFormat("control character 0x%02x; write it as \"\\x%02x\" in "
                                             "double quotes",
                                             byte, byte)};
    }
    if (indentation && byte == '\t' && !tab.has_value()) {
      tab = LoadError{mark, "a tab in the indentation; indent with spaces"};
    }
    if (byte != ' ' && byte != '\t' && byte != '\r') {
      if (indentation && tab.has_value() && byte != '#') return tab;
      indentation = false;
    }
    i += length;
    mark.column += static_cast<int>(length);
  }
  return std::nullopt;
}

}  // namespace tlsbridge::yaml
