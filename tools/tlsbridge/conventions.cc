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
      {"0", "Stopped on request, or success."},
      {"1", "A command's answer is no, or it found problems; its --help says when."},
      {"2",
       "Invalid flags, files or addresses, and nothing was started; or a running process cannot be "
       "reached."},
      {"3",
       "Out of memory, or a fatal error in a library; one line on standard error says which. From "
       "status: not ready."},
      {"0 to 255", "With --exit-with, after its end: that of the job, if it is known."},
  };
  return *codes;
}

const std::vector<Convention>& SignalDescriptions() {
  static const auto* const signals = new std::vector<Convention>{
      {"SIGTERM, SIGINT",
       "Stops gracefully: accepts for the drain delay, closes the listeners, closes connections as "
       "they become idle, and the remaining ones after the drain timeout. A second signal closes "
       "all connections within a second. Before the process is ready, the first one stops it "
       "immediately."},
      {"SIGHUP",
       "Reloads the configuration and every file that it names, as happens when one of them "
       "changes."},
      {"SIGUSR1", "Logs every live connection."},
      {"SIGUSR2",
       "Hot restart: starts the program file as it is now, which takes over once it is ready; the "
       "same as tlsbridge upgrade."},
      {"SIGPIPE", "Ignored."},
  };
  return *signals;
}

const std::vector<Convention>& EnvironmentVariables() {
  static const auto* const variables = new std::vector<Convention>{
      {"TLSBRIDGE_ADMIN",
       "Admin address of the running process, for the commands that query it; --admin overrides "
       "it."},
      {"NAME", "Every variable that the configuration file names as ${NAME}."},
      {"NOTIFY_SOCKET",
       "Socket on which the service manager is notified of readiness, reloads and stops; "
       "sd_notify(3)."},
      {"LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES",
       "Listening sockets passed by the service manager; sd_listen_fds(3)."},
      {"TLSBRIDGE_HANDOVER",
       "Set by a process for the one that replaces it in a hot restart: the socket to it."},
      {"WATCHDOG_USEC, WATCHDOG_PID",
       "How often the service manager's watchdog expects a notification that every worker "
       "responds."},
      {"LOCALDOMAIN, RES_OPTIONS", "Resolver options for backend names; resolv.conf(5)."},
      {"TMPDIR", "Folder in which demo creates the file with its CA."},
  };
  return *variables;
}

const std::vector<Convention>& UsualFiles() {
  static const auto* const files = new std::vector<Convention>{
      {"/etc/tlsbridge/tlsbridge.yaml",
       "The configuration of the packaged service; see tlsbridge.yaml(5)."},
      {"/run/tlsbridge/admin",
       "The admin socket of a running process, if its configuration has it there; the default of "
       "--admin."},
      {"/etc/resolv.conf, /etc/hosts, /etc/nsswitch.conf, /etc/host.conf",
       "How backend names are resolved."},
      {"/etc/ssl/certs/ca-certificates.crt", "The system's CAs: what 'system' stands for."},
      {"/proc/self/cgroup, /sys/fs/cgroup", "CPU and memory limits."},
  };
  return *files;
}

std::string DescribeConventions() {
  std::string text;
  Append("Exit codes", ExitCodes(), &text);
  Append("Signals", SignalDescriptions(), &text);
  Append("Environment", EnvironmentVariables(), &text);
  Append("Files", UsualFiles(), &text);
  return text;
}

}  // namespace tlsbridge
