#include "tools/tlsbridge/process_flags.h"

#include "absl/flags/flag.h"
#include "tools/tlsbridge/core_dumps.h"

ABSL_FLAG(
    bool, watch_files, true,
    "Read certificates, keys, CAs, CRLs, OCSP responses, ticket secrets and the configuration "
    "file again when they change; else on SIGHUP only.");
ABSL_FLAG(bool, core_dumps, false,
          "Leave a core dump after a crash, as far as the system's limits allow. It holds private "
          "keys.");

namespace tlsbridge {

FlagGroup ProcessFlagGroup() { return {"Process", {"watch-files", "core-dumps"}}; }

bool WatchFilesFlag() { return absl::GetFlag(FLAGS_watch_files); }

void ApplyCoreDumpFlag() {
  if (!absl::GetFlag(FLAGS_core_dumps)) ForbidCoreDumps();
}

}  // namespace tlsbridge
