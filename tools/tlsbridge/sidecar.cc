#include "tools/tlsbridge/sidecar.h"

#include <stdio.h>

#include <vector>

#include "absl/strings/string_view.h"
#include "router/live/live_config.h"
#include "tools/tlsbridge/command_line.h"
#include "tools/tlsbridge/serve.h"
#include "tools/tlsbridge/sidecar_flags.h"

namespace tlsbridge {
namespace {

constexpr char kUsage[] =
    "Fronts one service with TLS.\n"
    "\n"
    "  tlsbridge sidecar --listen 0.0.0.0:8443 --backend 127.0.0.1:8080 --cert tls.crt --key "
    "tls.key\n";

}  // namespace

int RunSidecar(absl::Span<char* const> arguments) {
  const std::vector<FlagGroup> groups = SidecarFlagGroups();
  for (const absl::string_view argument : arguments) {
    if (argument == "--help" || argument == "-h") {
      printf("%s%s", kUsage, DescribeFlags(groups).c_str());
      return kExitOk;
    }
  }
  if (absl::Status status = ParseFlags(arguments, groups); !status.ok()) {
    return RefuseToStart(status);
  }
  const absl::StatusOr<Config> config = SidecarConfigFromFlags();
  if (!config.ok()) return RefuseToStart(config.status());
  // Flags stay as they are; a reload reads the files that they name.
  const auto source = [config = *config](const LiveConfig* previous, const Clock* clock) {
    return LiveConfig::Load(config, previous, clock);
  };
  return Serve(source, {}, config->log);
}

}  // namespace tlsbridge
