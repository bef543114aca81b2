#include "tools/tlsbridge/serve.h"

#include <string>
#include <utility>

#include "bridge/event/clock.h"
#include "router/host/service_manager.h"
#include "router/log/libevent_log.h"

namespace tlsbridge {

int Serve(Reloader::Source source, std::vector<std::string> source_files, const LogSettings& log,
          bool watches_files, absl::AnyInvocable<void(const Router&) &&> on_ready) {
  SilenceLibevent();
  ServiceManager manager = ServiceManager::FromEnvironment();  // before there are other threads
  // Never destroyed: a thread that hangs may ask it until the process is gone.
  static const auto* const clock = new SystemClock;
  // In this order: the log's thread gets no signal, and what is told at the start is in the log.
  Signals::TakeOver();
  if (absl::Status status = StartLog(log.level, log.format); !status.ok()) {
    return RefuseToStart(status);
  }
  auto router = Router::Create(std::move(source), {std::move(source_files), watches_files}, clock,
                               std::move(manager));
  absl::Status status = router.status();
  if (status.ok()) {
    LogLibevent();
    if (on_ready) std::move(on_ready)(**router);
    status = (*router)->Run();
    router->reset();
  }
  StopLog();
  return status.ok() ? kExitOk : RefuseToStart(status);
}

}  // namespace tlsbridge
