#include "tools/tlsbridge/man.h"

#include <stdio.h>

#include <algorithm>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "router/config/version.h"
#include "router/yaml/describe.h"
#include "tools/tlsbridge/conventions.h"
#include "tools/tlsbridge/exit_codes.h"
#include "tools/tlsbridge/roff.h"

namespace tlsbridge {
namespace {

constexpr char kUsage[] =
    "Prints a page of the manual: tlsbridge(1) or tlsbridge.yaml(5).\n"
    "\n"
    "  tlsbridge man 1 | man -l -\n";

std::string Title(absl::string_view name, absl::string_view section, absl::string_view about) {
  return absl::StrCat(".TH ", name, " ", section, " \"\" \"tlsbridge ", kVersion, "\"\n",
                      ".ad l\n.nh\n.SH NAME\n", about, "\n");
}

// Paragraphs; indented lines are examples.
std::string Usage(absl::string_view usage) {
  std::string out;
  bool in_text = false;
  for (const absl::string_view line : absl::StrSplit(usage, '\n')) {
    if (line.empty()) {
      in_text = false;
    } else if (absl::StartsWith(line, "  ")) {
      absl::StrAppend(&out, ".PP\n.EX\n", RoffText(line), "\n.EE\n");
      in_text = false;
    } else {
      absl::StrAppend(&out, in_text ? "" : ".PP\n", RoffText(line), "\n");
      in_text = true;
    }
  }
  return out;
}

std::string Entry(absl::string_view flag, const Flag& facts) {
  return absl::StrCat(".TP\n\\fB", RoffText(flag), "\\fR\n", RoffText(facts.help),
                      facts.default_value.empty()
                          ? ""
                          : absl::StrCat("\nDefault: ", RoffText(facts.default_value), "."),
                      "\n");
}

std::string NamesOf(const FlagGroup& group) {
  std::string names;
  for (const Flag& flag : group.flags) absl::StrAppend(&names, flag.name, " ");
  return names;
}

// Flags that several commands have are told of once.
class Commands {
 public:
  void Add(const Command& command) {
    absl::StrAppend(&page_, ".SS tlsbridge ", RoffText(command.name),
                    command.argument.empty() ? "" : " ", RoffText(command.argument), "\n",
                    Usage(command.usage));
    std::string others;
    for (const FlagGroup& group : command.groups) {
      const auto [known, is_new] = printed_.emplace(group.title + NamesOf(group), command.name);
      if (is_new) {
        absl::StrAppend(&page_, ".PP\n\\fI", RoffText(group.title), "\\fR\n");
        for (const Flag& flag : group.flags) {
          absl::StrAppend(&page_, Entry("--" + flag.name, flag));
        }
      } else {
        absl::StrAppend(&others, others.empty() ? "" : "; ", group.title, " (see ", known->second,
                        ")");
      }
    }
    if (!others.empty()) absl::StrAppend(&page_, ".PP\nFurther flags: ", RoffText(others), ".\n");
  }

  const std::string& page() const { return page_; }

 private:
  std::string page_;
  std::map<std::string, std::string> printed_;  // a group of flags, and the command it was told at
};

std::string Table(absl::string_view title, const std::vector<Convention>& rows) {
  std::string out = absl::StrCat(".SH ", title, "\n");
  for (const Convention& row : rows) {
    absl::StrAppend(&out, ".TP\n\\fB", RoffText(row.name), "\\fR\n", RoffText(row.text), "\n");
  }
  return out;
}

}  // namespace

std::string ProgramPage(absl::Span<const Command> commands) {
  std::string page = absl::StrCat(
      Title("TLSBRIDGE", "1", "tlsbridge \\- fronts internal services with TLS"),
      ".SH SYNOPSIS\n\\fBtlsbridge\\fR \\fICOMMAND\\fR [\\fIFLAG\\fR]...\n"
      ".br\n\\fBtlsbridge\\fR \\fICOMMAND\\fR \\fB\\-\\-help\\fR\n"
      ".br\n\\fBtlsbridge \\-\\-version\\fR [\\fB\\-\\-verbose\\fR|\\fB\\-\\-sbom\\fR]\n"
      ".SH DESCRIPTION\n"
      "tlsbridge terminates TLS 1.2 and 1.3 and bridges each client to its backend. It runs "
      "beside\n"
      "one service (\\fBsidecar\\fR, configured by flags) or in front of several (\\fBrun\\fR,\n"
      "configured by a file). Every connection ends exactly once, for one reason from a closed\n"
      "list.\n"
      ".SH COMMANDS\n");
  Commands described;
  for (const Command& command : commands) described.Add(command);
  absl::StrAppend(&page, described.page(), Table("EXIT STATUS", ExitCodes()),
                  Table("SIGNALS", SignalDescriptions()),
                  Table("ENVIRONMENT", EnvironmentVariables()), Table("FILES", UsualFiles()),
                  ".SH SEE ALSO\n\\fBtlsbridge.yaml\\fR(5)\n");
  return page;
}

std::string ConfigurationPage() {
  return absl::StrCat(
      Title("TLSBRIDGE.YAML", "5", "tlsbridge.yaml \\- configuration of tlsbridge run"),
      ".SH DESCRIPTION\n", RoffOfMarkdown(ConfigReference()),
      ".SH SEE ALSO\n\\fBtlsbridge\\fR(1)\n");
}

Command ManCommand(std::vector<Command> (*commands)()) {
  const auto run = [commands](const Command::Given& given) {
    if (given.argument != "1" && given.argument != "5") {
      return RefuseToStart(absl::InvalidArgumentError(
          absl::StrCat("man: unknown page '", given.argument, "'; use 1 or 5")));
    }
    const std::string page = given.argument == "1" ? ProgramPage(commands()) : ConfigurationPage();
    fputs(page.c_str(), stdout);
    return kExitOk;
  };
  return {"man", "prints a page of the manual", "1|5",     kUsage, {},
          run,   Command::Kind::kOwn,           {"1", "5"}};
}

}  // namespace tlsbridge
