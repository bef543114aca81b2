// Flags of every command that serves which no configuration file can say.
//
// Thread: main's.
#pragma once

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tools/tlsbridge/command_line.h"

namespace tlsbridge {

FlagGroup ProcessFlagGroup();

// Whether files are read again when they change, not on SIGHUP only.
bool WatchesFiles(const GivenFlags& given);

// --upgrade-timeout.
absl::StatusOr<absl::Duration> UpgradeTimeout(const GivenFlags& given);

// Unless --core-dumps is given, this process leaves none: private keys are in its memory.
// REQUIRES: no key has been read.
void ApplyCoreDumpFlag(const GivenFlags& given);

}  // namespace tlsbridge
