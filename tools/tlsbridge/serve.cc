#include "tools/tlsbridge/serve.h"

#include <string>
#include <utility>

#include "bridge/event/clock.h"
#include "router/handover/listen_fds.h"
#include "router/host/service_manager.h"
#include "router/log/libevent_log.h"
#include "tools/tlsbridge/process_flags.h"

namespace tlsbridge {
namespace {

absl::Status Run(Reloader::Source source, Router::Files files, const Clock* clock,
                 ServiceManager manager, absl::Duration upgrade_timeout,
                 absl::AnyInvocable<void(const Router&) &&> on_ready) {
  Router::Inheritance inheritance;
  inheritance.upgrade_timeout = upgrade_timeout;
  auto predecessor = Predecessor::FromEnvironment(&inheritance.sockets);
  if (!predecessor.ok()) return predecessor.status();
  inheritance.predecessor = *std::move(predecessor);
  if (absl::Status status = TakeListenFds(&inheritance.sockets); !status.ok()) return status;
  auto router =
      Router::Create(std::move(source), std::move(files), clock, &inheritance, std::move(manager));
  if (!router.ok()) return router.status();
  LogLibevent();
  if (on_ready) std::move(on_ready)(**router);
  return (*router)->Run();
}

}  // namespace

int Serve(Reloader::Source source, std::vector<std::string> source_files, const LogSettings& log,
          const GivenFlags& given, absl::AnyInvocable<void(const Router&) &&> on_ready) {
  const auto upgrade_timeout = UpgradeTimeout(given);
  if (!upgrade_timeout.ok()) return RefuseToStart(upgrade_timeout.status());
  SilenceLibevent();
  ServiceManager manager = ServiceManager::FromEnvironment();  // before there are other threads
  // Never destroyed: a thread that hangs may ask it until the process is gone.
  static const auto* const clock = new SystemClock;
  // In this order: the log's thread gets no signal, and what is told at the start is in the log.
  Signals::TakeOver();
  if (absl::Status status = StartLog(log.level, log.format); !status.ok()) {
    return RefuseToStart(status);
  }
  const absl::Status status = Run(std::move(source), {std::move(source_files), WatchesFiles(given)},
                                  clock, std::move(manager), *upgrade_timeout, std::move(on_ready));
  StopLog();
  return status.ok() ? kExitOk : RefuseToStart(status);
}

}  // namespace tlsbridge
