#include "tools/tlsbridge/process_flags.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "tools/tlsbridge/core_dumps.h"

namespace tlsbridge {

FlagGroup ProcessFlagGroup() {
  return {
      "Process",
      {{"watch-files",
        "Reload certificates, keys, CAs, CRLs, OCSP responses, ticket secrets and the "
        "configuration file when they change; otherwise only on SIGHUP.",
        "true", Flag::Kind::kSwitch},
       {"upgrade-timeout",
        "How long the new process of a hot restart (SIGUSR2, tlsbridge upgrade) may take to become "
        "ready, from 1s to 1h; then it is ended.",
        "30s"},
       {"sandbox",
        "Once serving, drop access to all files and system calls that are not needed (Landlock, "
        "seccomp, no new privileges).",
        "true", Flag::Kind::kSwitch},
       {"user",
        "Switch to this user, NAME or NAME:GROUP, once the listeners are open. Needs root; the "
        "capabilities for ports below 1024 and nftables are kept if the configuration needs them.",
        ""},
       {"exit-with",
        "Stop as on SIGTERM when a job ends: process ID N, the listener at unix:/PATH, or idle:30s "
        "without a connection. The exit code is the job's if it is known: of a child process, or a "
        "number that the listener writes last.",
        ""},
       {"core-dumps",
        "Leave a core dump after a crash, as far as the system's limits allow. It holds private "
        "keys.",
        "", Flag::Kind::kSwitch}}};
}

absl::StatusOr<absl::Duration> UpgradeTimeout(const GivenFlags& given) {
  if (!given.Has("upgrade-timeout")) return absl::Seconds(30);
  const std::string text = given.Value("upgrade-timeout");
  absl::Duration timeout;
  if (absl::ParseDuration(text, &timeout) && timeout >= absl::Seconds(1) &&
      timeout <= absl::Hours(1)) {
    return timeout;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--upgrade-timeout: '", text, "' is not a duration from 1s to 1h"));
}

absl::StatusOr<std::optional<JobEnd::What>> ExitWith(const GivenFlags& given) {
  if (!given.Has("exit-with")) return std::nullopt;
  const auto what = JobEnd::Parse(given.Value("exit-with"));
  if (!what.ok()) return what.status();
  return *what;
}

ProcessSettings ProcessSettingsOf(const GivenFlags& given) {
  return {.watches_files = given.IsOn("watch-files", true),
          .sandbox = given.IsOn("sandbox", true),
          .core_dumps = given.IsOn("core-dumps", false),
          .user = given.Value("user")};
}

void ApplyCoreDumpFlag(const GivenFlags& given) {
  if (!given.IsOn("core-dumps", false)) ForbidCoreDumps();
}

}  // namespace tlsbridge
