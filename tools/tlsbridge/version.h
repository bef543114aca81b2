// "tlsbridge --version": the program's version, that of all that is linked in, and a software bill
// of materials.
//
// Thread: main's. Failure: the exit code; the reason is on standard error.
#pragma once

#include <string>

#include "absl/time/time.h"
#include "tools/tlsbridge/command.h"

namespace tlsbridge {

// SPDX 2.3, in JSON. `created` is the moment that the document says it was made.
std::string BillOfMaterials(absl::Time created);

Command VersionCommand();

}  // namespace tlsbridge
