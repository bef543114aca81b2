#include "tools/tlsbridge/core_dumps.h"

#include <sys/prctl.h>
#include <sys/resource.h>

namespace tlsbridge {

void ForbidCoreDumps() {
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
