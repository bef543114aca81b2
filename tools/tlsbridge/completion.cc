#include "tools/tlsbridge/completion.h"

#include <stdio.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "tools/tlsbridge/exit_codes.h"

namespace tlsbridge {
namespace {

constexpr char kUsage[] =
    "Prints a shell completion script for commands, flags and their values.\n"
    "\n"
    "  bash: source <(tlsbridge completion bash)\n"
    "  zsh:  tlsbridge completion zsh > \"${fpath[1]}/_tlsbridge\"\n"
    "  fish: tlsbridge completion fish | source\n";

std::vector<Flag> FlagsOf(const Command& command) {
  std::vector<Flag> flags;
  for (const FlagGroup& group : command.groups) {
    flags.insert(flags.end(), group.flags.begin(), group.flags.end());
  }
  flags.push_back({"help", "Lists the flags.", "", Flag::Kind::kSwitch});
  return flags;
}

// The beginning of a help text, of characters that are special in no shell.
std::string Short(absl::string_view help) {
  constexpr size_t kLongest = 70;
  std::string text;
  for (const char c : help) {
    if (c == '.' || c == ';' || c == ':' || c == '(' || c == '[') break;
    if (c != '\'' && c != '"' && c != '\\' && c != '`' && c != '$' && c != ']') text += c;
  }
  if (text.size() > kLongest) text.resize(text.rfind(' ', kLongest));
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

std::string Quoted(absl::string_view text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", ""}}), "'");
}

}  // namespace

std::string BashCompletion(absl::Span<const Command> commands) {
  std::string script =
      "# Completion for bash, printed by `tlsbridge completion bash`.\n"
      "_tlsbridge() {\n"
      "  local current=${COMP_WORDS[COMP_CWORD]} flag= words= flags= arguments=\n"
      "  COMPREPLY=()\n"
      "  # Bash takes the = of --flag=value for a word.\n"
      "  if [ \"$current\" = = ]; then\n"
      "    current=\n"
      "    flag=${COMP_WORDS[COMP_CWORD - 1]}\n"
      "  elif [ \"${COMP_WORDS[COMP_CWORD - 1]}\" = = ]; then\n"
      "    flag=${COMP_WORDS[COMP_CWORD - 2]}\n"
      "  else\n"
      "    flag=${COMP_WORDS[COMP_CWORD - 1]}\n"
      "  fi\n"
      "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n";
  const std::string names = absl::StrJoin(
      commands, " ", [](std::string* out, const Command& one) { out->append(one.name); });
  absl::StrAppend(&script, "    COMPREPLY=($(compgen -W '", names,
                  " --help --version' -- \"$current\"))\n"
                  "    return\n  fi\n"
                  "  case ${COMP_WORDS[1]} in\n");
  for (const Command& command : commands) {
    std::string flags;
    std::string values;
    for (const Flag& flag : FlagsOf(command)) {
      absl::StrAppend(&flags, " --", flag.name);
      if (flag.kind == Flag::Kind::kSwitch) {
        if (flag.default_value == "true") absl::StrAppend(&flags, " --no-", flag.name);
        continue;
      }
      absl::StrAppend(&values, "        --", flag.name, ") ");
      if (flag.is_file) {
        absl::StrAppend(&values, "words=/files");
      } else {
        absl::StrAppend(&values, "words=", Quoted(absl::StrJoin(flag.words, " ")));
        if (flag.words.empty()) absl::StrAppend(&values, " arguments=/text");
      }
      absl::StrAppend(&values, " ;;\n");
    }
    absl::StrAppend(&script, "    ", command.name, ")\n      flags=", Quoted(flags.substr(1)),
                    "\n");
    if (!command.words.empty()) {
      absl::StrAppend(&script, "      arguments=", Quoted(absl::StrJoin(command.words, " ")), "\n");
    }
    if (!values.empty()) {
      absl::StrAppend(&script, "      case $flag in\n", values, "      esac\n");
    }
    absl::StrAppend(&script, "      ;;\n");
  }
  absl::StrAppend(&script,
                  "  esac\n"
                  "  if [ \"$words\" = /files ]; then\n"
                  "    compopt -o filenames 2>/dev/null\n"
                  "    COMPREPLY=($(compgen -f -- \"$current\"))\n"
                  "  elif [ -n \"$words\" ]; then\n"
                  "    COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
                  "  elif [ \"$arguments\" != /text ]; then\n"
                  "    COMPREPLY=($(compgen -W \"$flags $arguments\" -- \"$current\"))\n"
                  "  fi\n"
                  "}\n"
                  "complete -F _tlsbridge tlsbridge\n");
  return script;
}

std::string ZshCompletion(absl::Span<const Command> commands) {
  std::string script =
      "#compdef tlsbridge\n"
      "# Completion for zsh, printed by `tlsbridge completion zsh`.\n"
      "_tlsbridge() {\n"
      "  local curcontext=$curcontext state line\n"
      "  typeset -A opt_args\n"
      "  local -a commands=(\n";
  for (const Command& command : commands) {
    absl::StrAppend(&script, "    '", command.name, ":", Short(command.summary), "'\n");
  }
  absl::StrAppend(&script,
                  "  )\n"
                  "  _arguments -C '(- *)--help[lists the commands]' "
                  "'(- *)--version[prints the version]' '1:command:->command' "
                  "'*::argument:->arguments'\n"
                  "  case $state in\n"
                  "    command) _describe command commands ;;\n"
                  "    arguments)\n"
                  "      case $words[1] in\n");
  for (const Command& command : commands) {
    absl::StrAppend(&script, "        ", command.name, ")\n          _arguments");
    for (const Flag& flag : FlagsOf(command)) {
      const bool is_list = flag.kind == Flag::Kind::kList;
      const bool is_switch = flag.kind == Flag::Kind::kSwitch;
      absl::StrAppend(&script, " \\\n            '", is_list ? "*" : "", "--", flag.name,
                      is_switch ? "" : "=", "[", Short(flag.help), "]",
                      is_switch ? ""
                      : flag.is_file
                          ? ":file:_files"
                          : absl::StrCat(":value:(", absl::StrJoin(flag.words, " "), ")"),
                      "'");
      if (is_switch && flag.default_value == "true") {
        absl::StrAppend(&script, " \\\n            '--no-", flag.name, "[",
                        Short("not: " + flag.help), "]'");
      }
    }
    if (!command.argument.empty()) {
      absl::StrAppend(&script,
                      " \\\n            '1:", absl::StrReplaceAll(command.argument, {{":", " "}}),
                      ":(", absl::StrJoin(command.words, " "), ")'");
    }
    absl::StrAppend(&script, "\n          ;;\n");
  }
  absl::StrAppend(&script,
                  "      esac\n"
                  "      ;;\n"
                  "  esac\n"
                  "}\n"
                  "if [ \"$funcstack[1]\" = _tlsbridge ]; then\n"
                  "  _tlsbridge \"$@\"\n"
                  "else\n"
                  "  compdef _tlsbridge tlsbridge\n"
                  "fi\n");
  return script;
}

std::string FishCompletion(absl::Span<const Command> commands) {
  std::string script =
      "# Completion for fish, printed by `tlsbridge completion fish`.\n"
      "complete -c tlsbridge -f\n"
      "complete -c tlsbridge -n __fish_use_subcommand -l help -d 'Lists the commands'\n"
      "complete -c tlsbridge -n __fish_use_subcommand -l version -d 'Prints the version'\n";
  for (const Command& command : commands) {
    absl::StrAppend(&script, "complete -c tlsbridge -n __fish_use_subcommand -a ", command.name,
                    " -d ", Quoted(Short(command.summary)), "\n");
    const std::string line =
        absl::StrCat("complete -c tlsbridge -n '__fish_seen_subcommand_from ", command.name, "' ");
    for (const Flag& flag : FlagsOf(command)) {
      const bool is_switch = flag.kind == Flag::Kind::kSwitch;
      absl::StrAppend(&script, line, "-l ", flag.name,
                      is_switch      ? ""
                      : flag.is_file ? " -r -F"
                                     : " -x",
                      flag.words.empty() ? "" : " -a " + Quoted(absl::StrJoin(flag.words, " ")),
                      " -d ", Quoted(Short(flag.help)), "\n");
      if (is_switch && flag.default_value == "true") {
        absl::StrAppend(&script, line, "-l no-", flag.name, "\n");
      }
    }
    if (!command.words.empty()) {
      absl::StrAppend(&script, line, "-a ", Quoted(absl::StrJoin(command.words, " ")), "\n");
    }
  }
  return script;
}

Command CompletionCommand(std::vector<Command> (*commands)()) {
  const auto run = [commands](const Command::Given& given) {
    const std::vector<Command> all = commands();
    std::string script;
    if (given.argument == "bash") script = BashCompletion(all);
    if (given.argument == "zsh") script = ZshCompletion(all);
    if (given.argument == "fish") script = FishCompletion(all);
    if (script.empty()) {
      return RefuseToStart(absl::InvalidArgumentError(
          absl::StrCat("completion: unknown shell '", given.argument, "'; use bash, zsh or fish")));
    }
    fputs(script.c_str(), stdout);
    return kExitOk;
  };
  return {"completion",
          "prints a shell completion script",
          "bash|zsh|fish",
          kUsage,
          {},
          run,
          Command::Kind::kOwn,
          {"bash", "zsh", "fish"}};
}

}  // namespace tlsbridge
