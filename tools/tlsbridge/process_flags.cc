#include "tools/tlsbridge/process_flags.h"

#include "tools/tlsbridge/core_dumps.h"

namespace tlsbridge {

FlagGroup ProcessFlagGroup() {
  return {
      "Process",
      {{"watch-files",
        "Read certificates, keys, CAs, CRLs, OCSP responses, ticket secrets and the "
        "configuration file again when they change; else on SIGHUP only.",
        "true", Flag::Kind::kSwitch},
       {"core-dumps",
        "Leave a core dump after a crash, as far as the system's limits allow. It holds private "
        "keys.",
        "", Flag::Kind::kSwitch}}};
}

bool WatchesFiles(const GivenFlags& given) { return given.IsOn("watch-files", true); }

void ApplyCoreDumpFlag(const GivenFlags& given) {
  if (!given.IsOn("core-dumps", false)) ForbidCoreDumps();
}

}  // namespace tlsbridge
