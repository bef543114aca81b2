#include "tools/tlsbridge/doctor/doctor.h"

#include <signal.h>
#include <stdio.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tools/tlsbridge/command_line.h"
#include "tools/tlsbridge/config_file.h"
#include "tools/tlsbridge/core_dumps.h"
#include "tools/tlsbridge/doctor/exams.h"
#include "tools/tlsbridge/exit_codes.h"
#include "tools/tlsbridge/sidecar_flags.h"

namespace tlsbridge {
namespace {

constexpr char kUsage[] =
    "Checks what can keep a configuration from being served: errors in it and in the files that "
    "it\n"
    "names, certificates, addresses in use, backends that do not answer, and the machine. Each "
    "line is\n"
    "ok, warn or fail, with what to do. Backends are dialled as for a client, and sent only a TLS\n"
    "handshake or a PROXY header, where the configuration has those. Nothing is changed.\n"
    "Exits with 0 if nothing fails, even with warnings, with 1 if something does.\n"
    "\n"
    "  tlsbridge doctor --config tlsbridge.yaml\n"
    "  tlsbridge doctor --listen 0.0.0.0:8443 --backend 127.0.0.1:8080 --cert tls.crt --key "
    "tls.key\n"
    "\n"
    "Without --config, it takes the flags of tlsbridge sidecar.\n";

int Refuse(absl::string_view why) { return RefuseToStart(absl::InvalidArgumentError(why)); }

Diagnosis Examine(const Patient& patient) {
  Diagnosis diagnosis;
  ExamineConfig(patient, &diagnosis);
  ExamineCertificates(patient, &diagnosis);
  ExamineAddresses(patient, &diagnosis);
  ExamineBackends(patient, &diagnosis);
  ExamineMachine(patient, &diagnosis);
  return diagnosis;
}

Diagnosis ExamineFile(const std::string& path, const Clock& clock) {
  const ParsedConfig parsed = ReadConfigFile(path);
  const FileFindings files = CheckNamedFiles(parsed, clock);
  return Examine({.parsed = parsed,
                  .files = files,
                  .clock = clock,
                  .of_flags = {},
                  .describe = [](const Problem& problem) { return problem.ToString(); },
                  .config_file = path});
}

Diagnosis ExamineFlags(const GivenFlags& given, const Clock& clock) {
  const FlagConfig flags = SidecarConfig(given);
  const FileFindings files = CheckNamedFiles(flags.parsed, clock);
  return Examine({.parsed = flags.parsed,
                  .files = files,
                  .clock = clock,
                  .of_flags = flags.problems,
                  .describe = [&flags](const Problem& problem) { return flags.TextOf(problem); },
                  .config_file = ""});
}

int RunDoctor(const Command::Given& typed) {
  const GivenFlags& given = typed.flags;
  bool any = false;
  for (const FlagGroup& group : SidecarFlagGroups()) {
    for (const Flag& flag : group.flags) {
      if (!given.Has(flag.name)) continue;
      any = true;
      if (!given.Has("config")) continue;
      return Refuse(
          absl::StrCat("--", flag.name, " cannot be combined with --config; use one or the other"));
    }
  }
  if (!any && !given.Has("config")) {
    return Refuse("doctor needs --config FILE, or the flags of tlsbridge sidecar");
  }
  ForbidCoreDumps();
  signal(SIGPIPE, SIG_IGN);
  const SystemClock clock;
  const Diagnosis diagnosis =
      given.Has("config") ? ExamineFile(given.Value("config"), clock) : ExamineFlags(given, clock);
  fputs((given.IsOn("json", false) ? diagnosis.ToJson() : diagnosis.ToText()).c_str(), stdout);
  return diagnosis.worst() == Health::kFail ? kExitProblems : kExitOk;
}

}  // namespace

Command DoctorCommand() {
  std::vector<FlagGroup> groups = {
      {"Doctor", {ConfigFlag(), {"json", "Print JSON.", "", Flag::Kind::kSwitch}}}};
  for (FlagGroup& group : SidecarFlagGroups()) groups.push_back(std::move(group));
  return {"doctor", "checks what keeps a configuration from being served, and how to fix it",
          "",       kUsage,
          groups,   &RunDoctor};
}

}  // namespace tlsbridge
