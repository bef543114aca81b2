#include "tools/tlsbridge/roff.h"

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace tlsbridge {
namespace {

// **bold** and `code`, both of which a man page shows in bold.
std::string Inline(absl::string_view text) {
  std::string out;
  bool bold = false;
  bool code = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '`') {
      code = !code;
      absl::StrAppend(&out, code ? "\\fB" : bold ? "\\fB" : "\\fR");
    } else if (!code && absl::StartsWith(text.substr(i), "**")) {
      bold = !bold;
      absl::StrAppend(&out, bold ? "\\fB" : "\\fR");
      ++i;
    } else {
      absl::StrAppend(&out, RoffText(text.substr(i, 1)));
    }
  }
  // A full stop or an apostrophe at the beginning would be a request.
  return absl::StartsWith(out, ".") || absl::StartsWith(out, "'") ? "\\&" + out : out;
}

std::vector<std::string> Cells(absl::string_view row) {
  std::vector<std::string> cells;
  const std::string kept = absl::StrReplaceAll(row, {{"\\|", "\x01"}});
  for (const absl::string_view cell : absl::StrSplit(kept, '|')) {
    cells.push_back(absl::StrReplaceAll(absl::StripAsciiWhitespace(cell), {{"\x01", "|"}}));
  }
  return cells;
}

// | `key` | type | default | example | what it is for |, or | `keys` | what is said of them |
void AppendEntry(absl::string_view row, std::string* out) {
  const std::vector<std::string> cells = Cells(row);
  if (cells.size() < 4 || !absl::StartsWith(cells[1], "`")) return;  // the table's head
  if (cells.size() < 7) {
    absl::StrAppend(out, ".TP\n", Inline(cells[1]), "\n", Inline(cells[2]), "\n");
    return;
  }
  std::string facts = cells[2];
  if (!cells[3].empty()) {
    absl::StrAppend(&facts, facts.empty() ? "" : "; ",
                    absl::StartsWith(cells[3], "(") ? "" : "default ", cells[3]);
  }
  if (!cells[4].empty()) absl::StrAppend(&facts, "; for example ", cells[4]);
  absl::StrAppend(out, ".TP\n", Inline(cells[1]), "\n");
  if (!facts.empty()) absl::StrAppend(out, Inline(facts), "\n.br\n");
  absl::StrAppend(out, Inline(cells[5]), "\n");
}

}  // namespace

std::string RoffText(absl::string_view text) {
  std::string out = absl::StrReplaceAll(
      text, {{"\\", "\\e"}, {"-", "\\-"}, {"\n.", "\n\\&."}, {"\n'", "\n\\&'"}});
  // One character alone is of a longer text, whose beginning the caller looks at.
  const bool request = absl::StartsWith(out, ".") || absl::StartsWith(out, "'");
  return text.size() > 1 && request ? "\\&" + out : out;
}

std::string RoffOfMarkdown(absl::string_view markdown) {
  std::string out;
  bool in_text = false;
  bool in_example = false;
  for (absl::string_view line : absl::StrSplit(markdown, '\n')) {
    if (absl::StartsWith(line, "```")) {
      absl::StrAppend(&out, in_example ? ".EE\n" : ".PP\n.EX\n");
      in_example = !in_example;
      in_text = false;
    } else if (in_example) {
      absl::StrAppend(&out, RoffText(line), "\n");
    } else if (absl::ConsumePrefix(&line, "# ") || line.empty()) {
      in_text = false;
    } else if (absl::ConsumePrefix(&line, "## ")) {
      absl::StrAppend(&out, ".SS ", Inline(absl::StrReplaceAll(line, {{"`", ""}})), "\n");
      in_text = false;
    } else if (absl::StartsWith(line, "|")) {
      AppendEntry(line, &out);
      in_text = false;
    } else if (absl::ConsumePrefix(&line, "- ")) {
      absl::StrAppend(&out, ".IP \\(bu 2\n", Inline(line), "\n");
      in_text = true;
    } else {
      if (!in_text) absl::StrAppend(&out, ".PP\n");
      absl::StrAppend(&out, Inline(absl::StripLeadingAsciiWhitespace(line)), "\n");
      in_text = true;
    }
  }
  return out;
}

}  // namespace tlsbridge
