#include "tests/router/service/sequence/sequence.h"

#include <poll.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"

namespace tlsbridge::testing {
namespace {

std::string Names(const std::set<TerminationReason>& reasons) {
  return absl::StrCat("{",
                      absl::StrJoin(reasons, " ",
                                    [](std::string* out, TerminationReason r) {
                                      absl::StrAppend(out, TerminationReasonName(r));
                                    }),
                      "}");
}

// Whether each of `gone` can have one of `reasons` for its own.
bool CanBeShared(std::vector<std::set<TerminationReason>> gone,
                 std::multiset<TerminationReason> reasons) {
  if (gone.empty()) return reasons.empty();
  const std::set<TerminationReason> first = std::move(gone.back());
  gone.pop_back();
  for (const TerminationReason reason : first) {
    const auto it = reasons.find(reason);
    if (it == reasons.end()) continue;
    std::multiset<TerminationReason> rest = reasons;
    rest.erase(rest.find(reason));
    if (CanBeShared(gone, std::move(rest))) return true;
  }
  return false;
}

}  // namespace

Sequence::Sequence(uint64_t seed)
    : random_(seed),
      control_(*EventLoop::Create(&clock_)),
      dns_(control_.get()),
      plan_(&random_, &backends_, dns_.address()),
      serving_(&clock_, control_.get()),
      health_(&backends_) {
  for (const std::string& name : Plan::DnsNames()) {
    dns_.SetAddresses(name, {"127.0.0.11", "127.0.0.12"}, /*ttl=*/5);
    names_.Answer(KeyOf(name), {backends_.address(0).ToString(), backends_.address(1).ToString()},
                  now());
  }
  config_ = std::make_shared<const Config>(plan_.First());
  serving_.Begin(*config_);
  AdoptModel(Config());
  Settle();
}

void Sequence::Run(int steps) {
  for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) {
    Step();
    if (!::testing::Test::HasFailure()) Settle();
  }
}

void Sequence::Note(const std::string& what) {
  constexpr size_t kLast = 200;
  story_.push_back(absl::StrCat(absl::ToDoubleSeconds(now() - absl::UnixEpoch()), " ", what));
  if (story_.size() > kLast) story_.erase(story_.begin());
}

std::string Sequence::Story() const { return absl::StrJoin(story_, "\n  "); }

void Sequence::Turn(int rounds) {
  for (int i = 0; i < rounds; ++i) {
    serving_.Turn();
    backends_.Step();
    for (const auto& client : clients_) client->Step();
  }
}

void Sequence::Settle() {
  constexpr int kPatience = 400;
  std::vector<std::string> problems;
  for (int i = 0; i < kPatience; ++i) {
    Turn(i == 0 ? 12 : 4);
    problems = Problems();
    if (problems.empty()) return;
    poll(nullptr, 0, /*timeout=*/i < 20 ? 0 : 5);
  }
  for (const std::string& problem : problems) ADD_FAILURE() << problem;
}

std::vector<std::string> Sequence::Problems() {
  std::vector<std::string> problems;
  seen_ = serving_.Look();
  LookForEnds(&problems);
  JudgeClients(&problems);
  JudgeCounts(&problems);
  JudgeBackends(&problems);
  return problems;
}

LimitsModel& Sequence::LimitsOf(const std::string& route) {
  return limits_.try_emplace(route, TerminationReason::kRouteLimit).first->second;
}

void Sequence::Gone(std::unique_ptr<Client> client) {
  gone_.push_back(client->ReasonsAt(now()));
  ++gone_ever_;
  program_.Leave(client->id);
  if (client->entered) LimitsOf(client->route).Leave(client->id);
  backends_.Forget(client->id);
}

// Each ends once, for a reason that it has been given.
void Sequence::LookForEnds(std::vector<std::string>* problems) {
  for (size_t i = 0; i < clients_.size();) {
    Client& client = *clients_[i];
    if (IsAlive(client)) {
      ++i;
      continue;
    }
    if (client.ReasonsAt(now()).empty()) {
      problems->push_back(absl::StrCat("client ", client.id, " of ", client.route,
                                       " has ended, and had no reason to"));
      ++i;
      continue;
    }
    Gone(std::exchange(clients_[i], std::move(clients_.back())));
    clients_.pop_back();
  }
  std::multiset<TerminationReason> reasons;
  for (size_t i = 0; i < kTerminationReasons; ++i) {
    const auto reason = static_cast<TerminationReason>(i);
    const uint64_t before = counted_.connections(reason);
    for (uint64_t n = before; n < seen_.sum.stats.connections(reason); ++n) reasons.insert(reason);
  }
  if (!CanBeShared(gone_, reasons)) {
    problems->push_back(absl::StrCat(
        "counted: ", Names({reasons.begin(), reasons.end()}), " for ", gone_.size(), " of ",
        absl::StrJoin(gone_, ",", [](std::string* out, const Grounds& g) { *out += Names(g); })));
    return;
  }
  for (const TerminationReason reason : reasons) {
    Count(absl::StrCat("ended: ", TerminationReasonName(reason)));
  }
  counted_ = seen_.sum.stats;
  gone_.clear();
}

void Sequence::JudgeClients(std::vector<std::string>* problems) {
  for (const auto& client : clients_) {
    if (!IsAlive(*client)) continue;
    const std::string state = seen_.records[client->address]["state"];
    Count(absl::StrCat("seen: ", state));
    if (seen_.records[client->address]["queued_to_backend"] > 0) Count("seen: paused");
    if (client->phase == Client::Phase::kDialled &&
        (state == "bridging" || state == "half-closed")) {
      client->phase = Client::Phase::kBridging;
      client->GoOn();
      if (stopping_) client->MayEnd({TerminationReason::kShutdown}, now());
    }
    if (client->MustBeGone(now())) {
      problems->push_back(absl::StrCat("client ", client->id, " of ", client->route,
                                       " should have ended for ", Names(client->ReasonsAt(now())),
                                       ": ", seen_.records[client->address].dump()));
    }
  }
}

void Sequence::JudgeCounts(std::vector<std::string>* problems) {
  const auto expect = [problems](absl::string_view what, int64_t is, int64_t should) {
    if (is != should) problems->push_back(absl::StrCat(what, ": ", is, " instead of ", should));
  };
  const auto clients = static_cast<int64_t>(clients_.size());
  expect("records", seen_.sum.live.records, clients);
  expect("in the program", serving_.admission().connections(), clients);
  expect("in the program's model", program_.live(), clients);
  std::map<std::string, int64_t> of_route;
  std::set<const LiveConfig*> pinned = {serving_.live().get()};
  size_t pinned_routes = config_->routes.size();
  for (const auto& client : clients_) {
    ++pinned_routes;  // a refused one has one, too
    if (client->entered) {
      ++of_route[client->route];
    } else if (const auto its = client->live.lock()) {
      if (pinned.insert(its.get()).second) pinned_routes += its->routes().size();
    }
  }
  for (const auto& route : serving_.live()->routes()) {
    const std::string& name = route->settings->name;
    expect(absl::StrCat("in route ", name), route->state->admission.connections(), of_route[name]);
    expect(absl::StrCat("in the model of route ", name), LimitsOf(name).live(), of_route[name]);
  }
  expect("configurations alive", static_cast<int64_t>(serving_.configs_alive()),
         static_cast<int64_t>(pinned.size()));
  if (serving_.routes_alive() > pinned_routes) {
    problems->push_back(absl::StrCat("routes alive: ", serving_.routes_alive(), " instead of ",
                                     pinned_routes, " at most"));
  }
  if (serving_.handshakes().waiting() > clients) problems->push_back("places of handshakes");
}

void Sequence::JudgeBackends(std::vector<std::string>* problems) {
  for (const auto& route : serving_.live()->routes()) {
    const Route& settings = *route->settings;
    const std::vector<EndpointStatus> endpoints = route->backends->Endpoints(now());
    const std::string bad = health_.Judge(settings, endpoints, now());
    if (!bad.empty()) problems->push_back(absl::StrCat("route ", settings.name, ": ", bad));
    std::multiset<std::string> fixed;
    for (const Backend& backend : settings.backends) {
      const std::string name = backend.address.ToString();
      if (backend.address.kind == BackendAddress::Kind::kSocket) {
        fixed.insert(absl::StrCat(name, " ", backend.drain ? 0 : backend.weight));
        continue;
      }
      NamesModel::Meaning meaning;
      for (const EndpointStatus& endpoint : endpoints) {
        if (endpoint.backend == name) meaning.insert(endpoint.name);
      }
      const std::string possible =
          names_.Judge(settings.name, name, meaning, settings.dns.forget_after, now());
      if (!possible.empty()) {
        problems->push_back(absl::StrCat("route ", settings.name, ": ", name, " is {",
                                         absl::StrJoin(meaning, " "), "}, may be ", possible));
      }
    }
    std::multiset<std::string> members;
    for (const EndpointStatus& endpoint : endpoints) {
      if (endpoint.backend == endpoint.name) {
        members.insert(absl::StrCat(endpoint.name, " ", endpoint.weight));
      }
    }
    if (members != fixed) {
      problems->push_back(absl::StrCat("route ", settings.name, " has ",
                                       absl::StrJoin(members, ","), ", and should have ",
                                       absl::StrJoin(fixed, ",")));
    }
  }
}

void Sequence::Finish() {
  Note("finish");
  const absl::Duration drain_timeout = config_->shutdown.drain_timeout;
  for (const auto& client : clients_) {
    client->MayEnd({TerminationReason::kShutdown}, now());
    client->MustEnd({}, now() + drain_timeout);
  }
  stopping_ = true;
  serving_.Terminate();
  Pass(drain_timeout + absl::Seconds(3));
  EXPECT_TRUE(serving_.stopped());
  EXPECT_TRUE(clients_.empty());
  EXPECT_EQ(seen_.sum.live.sockets, 0);
  EXPECT_EQ(seen_.sum.timers, 0u);
  EXPECT_EQ(seen_.sum.handshakes_waiting, 0u);
  EXPECT_EQ(serving_.handshakes().waiting(), 0);
  EXPECT_EQ(gone_ever_ + 1, next_id_);
  for (const auto& [route, endpoints] : AllEndpoints()) {
    for (const auto& [id, endpoint] : endpoints) {
      EXPECT_EQ(endpoint.connections, 0) << route << ": " << endpoint.name;
    }
  }
}

}  // namespace tlsbridge::testing
