#include "tools/tlsbridge/serve.h"

#include <stdio.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "bridge/event/clock.h"
#include "router/log/libevent_log.h"
#include "tools/tlsbridge/process_flags.h"

namespace tlsbridge {

int RefuseToStart(const absl::Status& status) {
  std::string message(status.message());
  // One line, whatever a flag's value holds.
  std::replace_if(message.begin(), message.end(), absl::ascii_iscntrl, '?');
  fprintf(stderr, "tlsbridge: %s\n", message.c_str());
  return kExitUsage;
}

int Serve(Reloader::Source source, std::vector<std::string> source_files, const LogSettings& log,
          absl::AnyInvocable<void(const Router&) &&> on_ready) {
  ApplyCoreDumpFlag();
  LogLibevent();
  const SystemClock clock;
  // The log's thread is made after signals have been taken over, so that it gets none.
  auto router =
      Router::Create(std::move(source), {std::move(source_files), WatchFilesFlag()}, &clock);
  if (!router.ok()) return RefuseToStart(router.status());
  StartLog(log.level, log.format);
  if (on_ready) std::move(on_ready)(**router);
  (*router)->Run();
  router->reset();
  StopLog();
  return kExitOk;
}

}  // namespace tlsbridge
