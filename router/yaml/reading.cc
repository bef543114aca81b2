#include "router/yaml/reading.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"

namespace tlsbridge {

void SortByPosition(std::vector<Problem>* problems) {
  std::stable_sort(problems->begin(), problems->end(), [](const Problem& a, const Problem& b) {
    return std::tie(a.line, a.column) < std::tie(b.line, b.column);
  });
}

namespace yaml {
namespace {

constexpr size_t kLongestQuote = 80;

// Messages quote the file, which may have anything in it.
std::string OneLine(absl::string_view text) {
  std::string line;
  for (const char c : text) {
    if (absl::ascii_iscntrl(c)) {
      absl::StrAppendFormat(&line, "\\x%02x", static_cast<unsigned char>(c));
    } else {
      line += c;
    }
  }
  return line;
}

bool IsVariableName(absl::string_view name) {
  return !name.empty() && !absl::ascii_isdigit(name[0]) &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return absl::ascii_isalnum(c) || c == '_'; });
}

}  // namespace

std::string Quoted(absl::string_view text) {
  const bool cut = text.size() > kLongestQuote;
  size_t length = std::min(text.size(), kLongestQuote);
  // Not inside a UTF-8 character.
  while (cut && length > 0 && (static_cast<unsigned char>(text[length]) & 0xc0) == 0x80) --length;
  return absl::StrCat("'", absl::Utf8SafeCHexEscape(text.substr(0, length)), cut ? "..." : "", "'");
}

void Reading::Add(const Mark& mark, absl::string_view path, absl::string_view message) {
  positions_.NoteUnsound(path);
  AddAside(mark, path, message);
}

void Reading::AddAside(const Mark& mark, absl::string_view path, absl::string_view message) {
  if (problems_.size() >= kMaxProblems) {
    ++more_problems_;
    return;
  }
  problems_.push_back({file_name_, mark.line, mark.column, std::string(path), OneLine(message)});
}

std::string Reading::Name(absl::string_view path, absl::string_view shown,
                          absl::string_view value) const {
  if (naming_ != nullptr) return naming_(path, value);
  return absl::StrCat(shown, value.empty() ? "" : ": ", value);
}

absl::StatusOr<std::string> Reading::ResolveFile(absl::string_view text) const {
  std::string resolved;
  for (absl::string_view rest = text; !rest.empty();) {
    if (!absl::ConsumePrefix(&rest, "${")) {
      resolved += rest[0];
      rest.remove_prefix(1);
      continue;
    }
    const size_t end = rest.find('}');
    if (end == absl::string_view::npos) {
      return absl::InvalidArgumentError(
          absl::StrCat(Quoted(text), " has an unterminated ${; use ${NAME} or ${NAME:-default}"));
    }
    const absl::string_view inner = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    const size_t separator = inner.find(":-");
    const absl::string_view name = inner.substr(0, separator);
    if (!IsVariableName(name)) {
      return absl::InvalidArgumentError(absl::StrCat(
          Quoted(name), " is not a valid variable name; use ${NAME} or ${NAME:-default}"));
    }
    std::optional<std::string> value = environment_(name);
    // As in a shell: ":-" also stands in for an empty value.
    if (separator != absl::string_view::npos && value.value_or("").empty()) {
      value = std::string(inner.substr(separator + 2));
    }
    if (!value.has_value()) {
      return absl::InvalidArgumentError(absl::StrCat("environment variable not set: ", name,
                                                     "; set it, or give a default with ${", name,
                                                     ":-default}"));
    }
    resolved += *value;
  }
  if (resolved.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(Quoted(text), " is an empty file name"));
  }
  if (absl::StrContains(resolved, '\0')) {
    return absl::InvalidArgumentError("a file name cannot contain a NUL byte");
  }
  const size_t slash = file_name_.rfind('/');
  if (absl::StartsWith(resolved, "/") || slash == std::string::npos) return resolved;
  return absl::StrCat(file_name_.substr(0, slash + 1), resolved);
}

void Reading::NoteFile(const Mark& mark, absl::string_view path, std::string file) {
  files_.push_back({std::move(file), {file_name_, mark.line, mark.column, std::string(path), ""}});
}

std::vector<Problem> Reading::TakeProblems() {
  SortByPosition(&problems_);
  if (more_problems_ > 0) {
    problems_.push_back(
        {file_name_, 1, 1, "", absl::StrCat("and ", more_problems_, " more problems")});
  }
  return std::move(problems_);
}

}  // namespace yaml
}  // namespace tlsbridge
