#include "tools/tlsbridge/conventions.h"

namespace tlsbridge {

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
       "idle, and what is left after the drain timeout. A second one ends at once."},
      {"SIGHUP",
       "Reads the configuration and every file that it names again, as happens when one changes."},
      {"SIGUSR1", "Logs every live connection."},
  };
  return *signals;
}

const std::vector<Convention>& EnvironmentVariables() {
  static const auto* const variables = new std::vector<Convention>{
      {"TLSBRIDGE_ADMIN",
       "Where the commands that ask a running process find it, unless --admin says so."},
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
  };
  return *files;
}

}  // namespace tlsbridge
