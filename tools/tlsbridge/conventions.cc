#include "tools/tlsbridge/conventions.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace tlsbridge {
namespace {

void Append(absl::string_view title, const std::vector<Convention>& table, std::string* text) {
  constexpr size_t kIndent = 19;
  constexpr size_t kMostColumns = 100;
  absl::StrAppend(text, "\n", title, ":\n");
  for (const Convention& row : table) {
    const absl::string_view name = row.name;
    absl::StrAppend(text, "  ", name);
    size_t column = name.size() + 2;
    if (column + 2 > kIndent) {
      *text += '\n';
      column = 0;
    }
    text->append(kIndent - column, ' ');
    column = kIndent;
    for (const absl::string_view word : absl::StrSplit(row.text, ' ')) {
      if (column + 1 + word.size() > kMostColumns) {
        absl::StrAppend(text, "\n", std::string(kIndent, ' '));
        column = kIndent;
      }
      absl::StrAppend(text, column == kIndent ? "" : " ", word);
      column += word.size() + 1;
    }
    *text += '\n';
  }
}

}  // namespace

const std::vector<Convention>& ExitCodes() {
  static const auto* const codes = new std::vector<Convention>{
      {"0", "Stopped as told, or all is well."},
      {"1", "The answer of a command is no, or there are problems; each --help says when."},
      {"2", "Bad flags, files or addresses, and nothing was started; or nobody answers."},
      {"3",
       "Out of memory, or a library cannot go on; one line on standard error says which. From "
       "status: not ready."},
  };
  return *codes;
}

const std::vector<Convention>& SignalMeanings() {
  static const auto* const signals = new std::vector<Convention>{
      {"SIGTERM, SIGINT",
       "Goes on accepting for the drain delay, closes the listeners, ends connections as they fall "
       "idle, and what is left after the drain timeout. A second one, or one of each, ends all "
       "within a "
       "second. Before it is ready the first one ends it at once."},
      {"SIGHUP",
       "Reads the configuration and every file that it names again, as happens when one changes."},
      {"SIGUSR1", "Logs every live connection."},
      {"SIGUSR2",
       "Starts the program again, as it lies there now, which takes over once it is ready; as "
       "tlsbridge upgrade."},
      {"SIGPIPE", "Is ignored."},
  };
  return *signals;
}

const std::vector<Convention>& EnvironmentVariables() {
  static const auto* const variables = new std::vector<Convention>{
      {"TLSBRIDGE_ADMIN",
       "Where the commands that ask a running process find it, unless --admin says so."},
      {"NAME", "Whatever a value of the configuration file names as ${NAME}."},
      {"NOTIFY_SOCKET",
       "Where a service manager hears that it is ready, reloads or stops; sd_notify(3)."},
      {"LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES",
       "Listening sockets that a service manager has opened; sd_listen_fds(3)."},
      {"TLSBRIDGE_HANDOVER", "How a process finds the one whose place it takes; set by that one."},
      {"WATCHDOG_USEC, WATCHDOG_PID",
       "How often a service manager wants to hear that every worker turns."},
      {"LOCALDOMAIN, RES_OPTIONS", "How names of backends are looked up; resolv.conf(5)."},
      {"TMPDIR", "Where demo puts the file with its CA."},
  };
  return *variables;
}

const std::vector<Convention>& UsualFiles() {
  static const auto* const files = new std::vector<Convention>{
      {"/etc/tlsbridge/tlsbridge.yaml",
       "The configuration of the packaged service; see tlsbridge.yaml(5)."},
      {"/run/tlsbridge/admin",
       "The socket where a running process answers operators, if its configuration says so; the "
       "commands look for it there."},
      {"/etc/resolv.conf, /etc/hosts, /etc/nsswitch.conf, /etc/host.conf",
       "How names of backends are looked up."},
      {"/etc/ssl/certs/ca-certificates.crt", "The CAs that 'system' means."},
      {"/proc/self/cgroup, /sys/fs/cgroup", "Limits of processor and memory."},
  };
  return *files;
}

std::string DescribeConventions() {
  std::string text;
  Append("Exit codes", ExitCodes(), &text);
  Append("Signals", SignalMeanings(), &text);
  Append("Environment", EnvironmentVariables(), &text);
  Append("Files", UsualFiles(), &text);
  return text;
}

}  // namespace tlsbridge
