// Flags of every command that serves which no configuration file can say.
//
// Thread: main's.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "router/service/job_end.h"
#include "tools/tlsbridge/command_line.h"

namespace tlsbridge {

FlagGroup ProcessFlagGroup();

struct ProcessSettings {
  bool watches_files = true;  // they are read again when they change, not on SIGHUP only
  bool sandbox = true;
  bool core_dumps = false;
  std::string user;  // empty: it stays who it is
};
ProcessSettings ProcessSettingsOf(const GivenFlags& given);

// --upgrade-timeout.
absl::StatusOr<absl::Duration> UpgradeTimeout(const GivenFlags& given);

// --exit-with; nothing if it is not given.
absl::StatusOr<std::optional<JobEnd::What>> ExitWith(const GivenFlags& given);

// Unless --core-dumps is given, this process leaves none: private keys are in its memory.
// REQUIRES: no key has been read.
void ApplyCoreDumpFlag(const GivenFlags& given);

}  // namespace tlsbridge
