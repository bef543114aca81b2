#include "tools/tlsbridge/process_flags.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#include "absl/flags/flag.h"

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
  if (absl::GetFlag(FLAGS_core_dumps)) return;
  // Not 0: where the system pipes cores to a program, that alone is ignored, and 1 alone is obeyed
  // (core(5), fs/coredump.c). A file needs a page at least, so that there is none either.
  rlimit limit;
  if (getrlimit(RLIMIT_CORE, &limit) != 0) return;
  if (limit.rlim_max == 0) {
    prctl(PR_SET_DUMPABLE, 0);  // which hides more of the process than its core
    return;
  }
  limit.rlim_cur = 1;
  setrlimit(RLIMIT_CORE, &limit);
}

}  // namespace tlsbridge
