#include "tools/tlsbridge/serve.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "bridge/event/clock.h"
#include "router/handover/listen_fds.h"
#include "router/handover/program.h"
#include "router/host/service_manager.h"
#include "router/host/spawner.h"
#include "router/log/libevent_log.h"
#include "tools/tlsbridge/process_flags.h"

namespace tlsbridge {
namespace {

// Null where there can be none: an upgrade is refused then, and all else goes on.
std::unique_ptr<Spawner> ForkSpawner() {
  const Program& program = Program::Ours();
  if (program.path.empty()) return nullptr;
  auto spawner = Spawner::Fork({program.path, program.arguments, program.environment});
  return spawner.ok() ? *std::move(spawner) : nullptr;
}

absl::Status Run(Reloader::Source source, Router::Files files, const Clock* clock,
                 ServiceManager manager, std::unique_ptr<Spawner> spawner,
                 const ProcessSettings& process, absl::Duration upgrade_timeout,
                 std::optional<JobEnd::What> exit_with, int* exit_code,
                 absl::AnyInvocable<void(const Router&) &&> on_ready) {
  Router::Inheritance inheritance;
  inheritance.spawner = std::move(spawner);
  inheritance.upgrade_timeout = upgrade_timeout;
  inheritance.exit_with = std::move(exit_with);
  auto predecessor = Predecessor::FromEnvironment(&inheritance.sockets);
  if (!predecessor.ok()) return predecessor.status();
  inheritance.predecessor = *std::move(predecessor);
  Router::Confinement confinement = {
      .sandbox = process.sandbox, .core_dumps = process.core_dumps, .user = std::nullopt};
  if (!process.user.empty()) {
    absl::StatusOr<User> user = User::Find(process.user);
    if (!user.ok()) return user.status();
    confinement.user = *std::move(user);
  }
  if (absl::Status status = TakeListenFds(&inheritance.sockets); !status.ok()) return status;
  auto router = Router::Create(std::move(source), std::move(files), clock, &inheritance,
                               std::move(manager), std::move(confinement));
  if (!router.ok()) return router.status();
  LogLibevent();
  if (on_ready) std::move(on_ready)(**router);
  absl::Status status = (*router)->Run();
  *exit_code = (*router)->exit_code();
  return status;
}

}  // namespace

int Serve(Reloader::Source source, std::vector<std::string> source_files, const LogSettings& log,
          const GivenFlags& given, absl::AnyInvocable<void(const Router&) &&> on_ready) {
  const auto upgrade_timeout = UpgradeTimeout(given);
  if (!upgrade_timeout.ok()) return RefuseToStart(upgrade_timeout.status());
  const auto exit_with = ExitWith(given);
  if (!exit_with.ok()) return RefuseToStart(exit_with.status());
  const ProcessSettings process = ProcessSettingsOf(given);
  SilenceLibevent();
  // Before there are other threads, keys, and signals that wait.
  std::unique_ptr<Spawner> spawner = ForkSpawner();
  ServiceManager manager = ServiceManager::FromEnvironment();
  // Never destroyed: a thread that hangs may ask it until the process is gone.
  static const auto* const clock = new SystemClock;
  // In this order: the log's thread gets no signal, and what is told at the start is in the log.
  Signals::TakeOver();
  if (absl::Status status = StartLog(log.level, log.format); !status.ok()) {
    return RefuseToStart(status);
  }
  int exit_code = kExitOk;
  const absl::Status status =
      Run(std::move(source), {std::move(source_files), process.watches_files}, clock,
          std::move(manager), std::move(spawner), process, *upgrade_timeout, *exit_with, &exit_code,
          std::move(on_ready));
  StopLog();
  return status.ok() ? exit_code : RefuseToStart(status);
}

}  // namespace tlsbridge
