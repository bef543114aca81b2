// What every command that serves has in common: the log, the router, and what goes wrong at start.
//
// Thread: main's. Failure: the exit code; the reason is on standard error.
#pragma once

#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "router/config/config.h"
#include "router/live/reloader.h"
#include "router/router.h"
#include "tools/tlsbridge/command.h"
#include "tools/tlsbridge/command_line.h"
#include "tools/tlsbridge/exit_codes.h"

namespace tlsbridge {

// Serves what `source` makes until told to stop. `source_files` are what it reads itself.
// `given` are the flags of ProcessFlagGroup().
// `on_ready` is called once the listeners are open.
int Serve(Reloader::Source source, std::vector<std::string> source_files, const LogSettings& log,
          const GivenFlags& given, absl::AnyInvocable<void(const Router&) &&> on_ready = nullptr);

}  // namespace tlsbridge
