#include "router/service/succession.h"

#include <signal.h>

#include <utility>

#include "router/log/log.h"

namespace tlsbridge {

Succession::Succession(const Parts& parts, absl::Duration timeout)
    : parts_(parts),
      timeout_(timeout),
      handover_(parts.loop, this, [this](int fd) { return Launch(fd); }) {}

absl::StatusOr<std::unique_ptr<Child>> Succession::Launch(int fd) {
  return StartChild(parts_.spawner, fd, parts_.manager->Environment());
}

void Succession::Begin(Handover::OnOutcome done) {
  auto tell = [this, done = std::move(done)](const Handover::Outcome& outcome) mutable {
    Tell(outcome);
    done(outcome);
  };
  if (!parts_.lifecycle->ready() && !is_done()) {
    Handover::Outcome refused = {absl::AbortedError("the process is ending")};
    return tell(refused);
  }
  handover_.Begin(timeout_, std::move(tell));
}

void Succession::Tell(const Handover::Outcome& outcome) {
  if (!outcome.status.ok()) {
    LogEvent(LogLevel::kError, "restart_refused")
        .Text("message", outcome.status.message())
        .Text("hint", "this process continues to serve");
    return;
  }
  LogEvent(LogLevel::kInfo, "handed_over")
      .Number("pid", outcome.pid)
      .Number("generation", static_cast<int64_t>(outcome.generation))
      .Number("connections", parts_.admission->connections())
      .Text("message", "that process serves now; connections of this one continue until they end");
}

void Succession::CallOff() { handover_.CallOff("this process was stopped meanwhile"); }

Handover::Service::Offer Succession::Collect() {
  parts_.reloads->Hold();
  Offer offer;
  for (const Listeners::Offered& of : parts_.listeners->Offer()) {
    offer.state.sockets.push_back(
        {InheritedSockets::Use::kListener, of.owns_path, of.of_unit, of.wanted});
    offer.descriptors.push_back(of.fd);
  }
  for (const Admin& admin : admins_) {
    offer.state.sockets.push_back({InheritedSockets::Use::kAdmin, admin.socket->owns_path(),
                                   admin.socket->of_unit(), admin.wanted});
    offer.descriptors.push_back(admin.socket->fd());
  }
  parts_.generations->Describe(&offer.state, &offer.descriptors);
  offer.state.kernel = parts_.kernel->Offer(&offer.descriptors);
  const absl::Time now = parts_.loop->common_now();
  const auto add_rates = [&](const std::string& route, const Admission& admission) {
    std::vector<Admission::Rate> rates = admission.ExportRates(now);
    if (!rates.empty()) offer.state.rates.push_back({route, std::move(rates)});
  };
  add_rates("", *parts_.admission);
  for (const auto& route : parts_.reloads->live().routes()) {
    add_rates(route->settings->name, route->state->admission);
    if (route->tls.files.tickets.content == nullptr) continue;
    tls::TicketSecrets::Random random = route->tls.files.tickets.content->ExportRandom();
    if (!random.secrets.empty()) {
      offer.state.tickets.push_back({route->settings->name, std::move(random)});
    }
  }
  return offer;
}

void Succession::Yield(absl::AnyInvocable<void()> done) {
  for (const Admin& admin : admins_) admin.server->Pause();
  parts_.kernel->Pause();
  parts_.listeners->Pause(
      [loop = parts_.loop, done = std::move(done)]() mutable { loop->Post(std::move(done)); });
}

SecretBytes Succession::LastWords() { return parts_.kernel->LastWords(); }

void Succession::Resume() {
  for (const Admin& admin : admins_) admin.server->Resume();
  parts_.listeners->Resume();
  parts_.reloads->Release();
}

void Succession::Reclaim() { parts_.kernel->Resume(); }

void Succession::Leave(const std::vector<bool>& taken, pid_t successor) {
  parts_.manager_talk->HandOver(successor);
  parts_.kernel->HandOver();
  // Those of admin servers are the last, as Collect() has them.
  std::vector<bool> of_listeners = taken;
  for (auto admin = admins_.rbegin(); admin != admins_.rend(); ++admin) {
    if (of_listeners.back()) admin->socket->LeavePath();
    of_listeners.pop_back();
    admin->socket->Close();
  }
  parts_.lifecycle->HandOver(parts_.reloads->config().shutdown, of_listeners);
  if (parts_.reloads->asked_meanwhile()) kill(successor, SIGHUP);
}

void TakeOverKnowledge(const HandoverState& state, const LiveConfig& live, Admission* admission) {
  for (const HandoverState::Tickets& of : state.tickets) {
    const LiveRoute* const route = live.ByName(of.route);
    if (route == nullptr || route->tls.files.tickets.content == nullptr) continue;
    route->tls.files.tickets.content->ImportRandom(of.random);
  }
  for (const HandoverState::Rates& of : state.rates) {
    const LiveRoute* const route = of.route.empty() ? nullptr : live.ByName(of.route);
    if (of.route.empty()) {
      admission->ImportRates(of.clients);
    } else if (route != nullptr) {
      route->state->admission.ImportRates(of.clients);
    }
  }
}

}  // namespace tlsbridge
