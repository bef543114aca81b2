#include "router/yaml/text_check.h"

#include <stdint.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace tlsbridge::yaml {
namespace {

constexpr size_t kLongestExample = 200;

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

std::optional<LoadError> FindBareVariable(absl::string_view text) {
  Mark mark;
  int depth = 0;
  char quote = '\0';
  bool comment = false;
  bool word_begins = true;  // a quote or bracket inside a word is a part of it
  for (size_t i = 0; i < text.size(); ++i, ++mark.column) {
    const char c = text[i];
    if (c == '\n') {
      mark = {mark.line + 1, 0};
      comment = false;
      word_begins = true;
      continue;
    }
    if (comment) continue;
    if (quote != '\0') {
      if (c == '\\' && quote == '"') {
        ++i;
        ++mark.column;
      } else if (c == quote) {
        quote = '\0';
        word_begins = false;
      }
      continue;
    }
    if (depth > 0 && absl::StartsWith(text.substr(i), "${")) {
      // As far as it goes, had it been in quotes.
      const size_t brace = text.find_first_of("}\n", i);
      if (brace == absl::string_view::npos || text[brace] == '\n') return std::nullopt;
      const size_t begin = text.find_last_of(" \t\n,:[{", i - 1) + 1;
      const size_t end = std::min(text.find_first_of(" \t\r\n,]}", brace + 1), text.size());
      mark.column -= static_cast<int>(i - begin);
      absl::string_view value = text.substr(begin, end - begin);
      if (value.size() > kLongestExample) value = "${NAME}/...";
      return LoadError{mark, absl::StrCat(value,
                                          " needs quotes inside { } or [ ], where YAML takes "
                                          "its brace for a mapping: write \"",
                                          value, "\"")};
    }
    if (word_begins && (c == '\'' || c == '"')) quote = c;
    if (c == '#' && word_begins) comment = true;
    if (c == '{' || c == '[') {
      if (word_begins || depth > 0) ++depth;
    } else if ((c == '}' || c == ']') && depth > 0) {
      --depth;
    }
    word_begins = absl::StrContains(" \t,:[{-", c);
  }
  return std::nullopt;
}

}  // namespace tlsbridge::yaml
