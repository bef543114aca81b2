#include "tools/tlsbridge/sidecar.h"

#include <stdio.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "bridge/event/clock.h"
#include "router/live/live_config.h"
#include "tools/tlsbridge/command_line.h"
#include "tools/tlsbridge/named_files.h"
#include "tools/tlsbridge/process_flags.h"
#include "tools/tlsbridge/serve.h"
#include "tools/tlsbridge/sidecar_flags.h"

namespace tlsbridge {
namespace {

constexpr char kUsage[] =
    "Fronts one service with TLS.\n"
    "\n"
    "  tlsbridge sidecar --listen 0.0.0.0:8443 --backend 127.0.0.1:8080 --cert tls.crt --key "
    "tls.key\n";

// Every mistake in the flags, and in the files that they name.
int RefuseAll(const FlagConfig& flags, const Clock& clock) {
  int code = kExitUsage;
  const auto tell = [&code](const std::string& problem) {
    code = RefuseToStart(absl::InvalidArgumentError(problem));
  };
  for (const std::string& problem : flags.problems) tell(problem);
  for (const Problem& problem : CheckNamedFiles(flags.parsed, clock).problems) {
    tell(flags.TextOf(problem));
  }
  return code;
}

int Run(const Command::Given& typed) {
  const GivenFlags& given = typed.flags;
  const FlagConfig flags = SidecarConfig(given);
  ApplyCoreDumpFlag(given);
  if (!flags.problems.empty()) return RefuseAll(flags, SystemClock());
  const Config config = flags.parsed.config;
  // Flags stay as they are; a reload reads the files that they name.
  const auto source = [config](const LiveConfig* previous, const Clock* clock) {
    return LiveConfig::Load(config, previous, clock);
  };
  return Serve(source, {}, config.log, given);
}

}  // namespace

Command SidecarCommand() {
  return {"sidecar", "one service behind TLS, configured by flags", "", kUsage, SidecarFlagGroups(),
          &Run};
}

}  // namespace tlsbridge
