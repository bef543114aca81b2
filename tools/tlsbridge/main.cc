// tlsbridge: fronts internal services with TLS.

#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "bridge/event/thread.h"
#include "router/handover/program.h"
#include "router/yaml/nearest.h"
#include "tools/tlsbridge/admin_command.h"
#include "tools/tlsbridge/check.h"
#include "tools/tlsbridge/command.h"
#include "tools/tlsbridge/completion.h"
#include "tools/tlsbridge/conventions.h"
#include "tools/tlsbridge/demo.h"
#include "tools/tlsbridge/doctor/doctor.h"
#include "tools/tlsbridge/exit_codes.h"
#include "tools/tlsbridge/explain.h"
#include "tools/tlsbridge/last_words.h"
#include "tools/tlsbridge/man.h"
#include "tools/tlsbridge/run.h"
#include "tools/tlsbridge/sidecar.h"
#include "tools/tlsbridge/standard_descriptors.h"
#include "tools/tlsbridge/version.h"

namespace tlsbridge {
namespace {

constexpr char kHelp[] =
    "tlsbridge fronts internal services with TLS: it terminates TLS and bridges each client to "
    "its\n"
    "backend.\n"
    "\n"
    "Commands:\n";
constexpr char kAskingCommands[] =
    "\nCommands that query a running process, at --admin (its --admin-listen):\n";

constexpr char kMoreHelp[] =
    "\n  tlsbridge COMMAND --help lists the flags of a command.\n"
    "  tlsbridge --version prints the version; with --verbose also the compiler and the version "
    "of\n"
    "  every linked library; with --sbom as SPDX.\n";

// In the order of --help.
std::vector<Command> Commands() {
  std::vector<Command> commands = {
      DemoCommand(),   SidecarCommand(), ConfigFileCommand(),          CheckCommand(),
      DoctorCommand(), ExplainCommand(), CompletionCommand(&Commands), ManCommand(&Commands),
      VersionCommand()};
  for (Command& command : AdminCommands()) commands.push_back(std::move(command));
  return commands;
}

void PrintHelp(const std::vector<Command>& commands) {
  std::string text = kHelp;
  for (const Command::Kind kind : {Command::Kind::kOwn, Command::Kind::kAsks}) {
    if (kind == Command::Kind::kAsks) absl::StrAppend(&text, kAskingCommands);
    for (const Command& command : commands) {
      if (command.kind != kind) continue;
      absl::StrAppendFormat(&text, "  tlsbridge %-12s %s\n", command.name, command.summary);
    }
  }
  printf("%s%s%s", text.c_str(), kMoreHelp, DescribeConventions().c_str());
}

int Main(absl::Span<char* const> arguments) {
  const absl::string_view typed = arguments.size() > 1 ? arguments[1] : "--help";
  const auto others = arguments.subspan(std::min<size_t>(arguments.size(), 2));
  if (typed == "--version") return RunCommand(VersionCommand(), others);
  const std::vector<Command> commands = Commands();
  if (typed == "--help" || typed == "-h" || typed == "help") {
    PrintHelp(commands);
    return kExitOk;
  }
  for (const Command& command : commands) {
    if (command.name == typed) return RunCommand(command, others);
  }
  std::vector<std::string> names;
  names.reserve(commands.size());
  for (const Command& command : commands) names.emplace_back(command.name);
  return RefuseToStart(absl::InvalidArgumentError(
      absl::StrCat("unknown command '", typed, "'", yaml::DidYouMean(typed, names),
                   "; tlsbridge --help lists all: demo, sidecar, run, check, doctor, explain, "
                   "status, failures, why ...")));
}

}  // namespace
}  // namespace tlsbridge

int main(int argc, char** argv) {
  tlsbridge::OpenStandardDescriptors();
  tlsbridge::PrepareLastWords();
  tlsbridge::Program::Remember(absl::MakeConstSpan(argv, static_cast<size_t>(argc)));
  const int code = tlsbridge::Main(absl::MakeConstSpan(argv, static_cast<size_t>(argc)));
  if (!tlsbridge::Thread::AnyLeft()) return code;
  // One hangs, and may come back: nothing that it uses is destroyed.
  fflush(stdout);
  _exit(code);
}
