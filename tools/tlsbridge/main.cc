// tlsbridge: fronts internal services with TLS.

#include <stdio.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "bridge/event/libevent_ptr.h"
#include "bridge/event/thread.h"
#include "linked_versions.h"
#include "router/config/version.h"
#include "tls/server_context.h"
#include "tools/tlsbridge/admin_command.h"
#include "tools/tlsbridge/check.h"
#include "tools/tlsbridge/demo.h"
#include "tools/tlsbridge/explain.h"
#include "tools/tlsbridge/last_words.h"
#include "tools/tlsbridge/run.h"
#include "tools/tlsbridge/serve.h"
#include "tools/tlsbridge/sidecar.h"
#include "tools/tlsbridge/standard_descriptors.h"

namespace tlsbridge {
namespace {

constexpr char kHelp[] =
    "tlsbridge fronts internal services with TLS: it terminates TLS and bridges each client to "
    "its\n"
    "backend.\n"
    "\n"
    "Commands:\n"
    "  tlsbridge demo       try it out: a certificate, a backend and a listener of its own\n"
    "  tlsbridge sidecar    one service behind TLS, configured by flags\n"
    "  tlsbridge run        several services, configured by a file\n"
    "  tlsbridge check      lists every mistake in a configuration file; prints its reference\n"
    "  tlsbridge explain    tells whether a client's certificate would be let in, and why\n"
    "\n"
    "Commands that ask a running process, at --admin (what it was given as --admin-listen):\n";

constexpr char kMoreHelp[] =
    "\n"
    "  tlsbridge COMMAND --help lists the flags of a command.\n"
    "  tlsbridge --version tells the program's version; with --verbose also the compiler, and the\n"
    "  version of every library that is linked in.\n"
    "\n"
    "Signals: SIGTERM and SIGINT drain and stop (twice: at once); SIGUSR1 logs every live "
    "connection;\n"
    "SIGHUP reads the configuration and all certificates again, as happens when one changes.\n"
    "Exit codes: 0 stopped as told, or all is well; 1 the answer of a command is no (each --help); "
    "2 "
    "bad\n"
    "flags, files or addresses, nothing was started or nobody answers; 3 out of memory, or a "
    "library\n"
    "cannot go on: one line says which; from status: not ready.\n";

#ifdef __clang__
constexpr char kCompiler[] = __VERSION__;  // begins with its name
#else
constexpr char kCompiler[] = "GCC " __VERSION__;
#endif

int PrintVersion(absl::Span<char* const> arguments) {
  if (!arguments.empty() && arguments[0] != absl::string_view("--verbose")) {
    return RefuseToStart(absl::InvalidArgumentError(
        absl::StrCat("--version takes only --verbose, not '", arguments[0], "'")));
  }
  printf("tlsbridge %s\n%s\nlibevent %s\n", kVersion, tls::LibraryVersion(), LibeventVersion());
  if (!arguments.empty()) printf("\ncompiled by %s, linked with\n%s", kCompiler, kLinkedVersions);
  return kExitOk;
}

int Main(absl::Span<char* const> arguments) {
  const absl::string_view command = arguments.size() > 1 ? arguments[1] : "--help";
  if (command == "sidecar") return RunSidecar(arguments.subspan(2));
  if (command == "run") return RunConfigFile(arguments.subspan(2));
  if (command == "check") return RunCheck(arguments.subspan(2));
  if (command == "explain") return RunExplain(arguments.subspan(2));
  if (command == "demo") return RunDemo(arguments.subspan(2));
  if (const auto code =
          RunAdminCommand(command, arguments.subspan(std::min<size_t>(arguments.size(), 2))))
    return *code;
  if (command == "--help" || command == "-h" || command == "help") {
    printf("%s%s%s", kHelp, DescribeAdminCommands().c_str(), kMoreHelp);
    return kExitOk;
  }
  if (command == "--version" || command == "version") {
    return PrintVersion(arguments.subspan(2));
  }
  return RefuseToStart(absl::InvalidArgumentError(
      absl::StrCat("unknown command '", command,
                   "'; use demo, sidecar, run, check, explain, status, failures, why and so on: "
                   "tlsbridge --help")));
}

}  // namespace
}  // namespace tlsbridge

int main(int argc, char** argv) {
  tlsbridge::OpenStandardDescriptors();
  tlsbridge::PrepareLastWords();
  const int code = tlsbridge::Main(absl::MakeConstSpan(argv, static_cast<size_t>(argc)));
  if (!tlsbridge::Thread::AnyLeft()) return code;
  // One hangs, and may come back: nothing that it uses is destroyed.
  fflush(stdout);
  _exit(code);
}
