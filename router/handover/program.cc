#include "router/handover/program.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

extern char** environ;  // of C, in no header

namespace tlsbridge {
namespace {

// What says something to one process only, or is said anew to each.
constexpr absl::string_view kOwn[] = {
    "LISTEN_PID=",    "LISTEN_FDS=",   "LISTEN_FDNAMES=",    "NOTIFY_SOCKET=",
    "WATCHDOG_USEC=", "WATCHDOG_PID=", "TLSBRIDGE_HANDOVER="};

Program* Remembered() {
  static auto* const program = new Program;
  return program;
}

std::string Folder() {
  char folder[PATH_MAX];
  return getcwd(folder, sizeof(folder)) == nullptr ? "" : folder;
}

bool IsSameFile(const std::string& a, const char* b) {
  struct stat first, second;
  return stat(a.c_str(), &first) == 0 && stat(b, &second) == 0 && first.st_dev == second.st_dev &&
         first.st_ino == second.st_ino;
}

}  // namespace

std::string FindProgram(const std::string& name, const std::string& folder,
                        const std::string& path_variable) {
  const auto absolute = [&folder](const std::string& path) {
    if (absl::StartsWith(path, "/")) return path;
    return folder.empty() ? std::string() : absl::StrCat(folder, "/", path);
  };
  if (absl::StrContains(name, '/')) return absolute(name);
  for (const absl::string_view place : absl::StrSplit(path_variable, ':')) {
    std::string path = absolute(absl::StrCat(place.empty() ? "." : place, "/", name));
    if (access(path.c_str(), X_OK) == 0) return path;
  }
  return "";
}

void Program::Remember(absl::Span<char* const> arguments) {
  constexpr char kSelf[] = "/proc/self/exe";
  Program* const program = Remembered();
  program->arguments.assign(arguments.begin(), arguments.end());
  const char* const path = getenv("PATH");
  const std::string name = arguments.empty() ? "" : arguments[0];
  program->path = FindProgram(name, Folder(), path == nullptr ? "" : path);
  // Whoever starts a program may call it by any name.
  if (!IsSameFile(program->path, kSelf)) {
    char self[PATH_MAX];
    const ssize_t length = readlink(kSelf, self, sizeof(self));
    program->path = length > 0 ? std::string(self, static_cast<size_t>(length)) : "";
  }
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const absl::string_view text = *variable;
    if (std::none_of(std::begin(kOwn), std::end(kOwn),
                     [text](absl::string_view own) { return absl::StartsWith(text, own); })) {
      program->environment.emplace_back(text);
    }
  }
}

const Program& Program::Ours() { return *Remembered(); }

}  // namespace tlsbridge
