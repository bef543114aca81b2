// A random sequence of reloads, clients, deaths and answers against a router's parts, and what must
// hold after each step.
//
// The parts run on loops that it turns, by a clock that it moves; sockets are real. What is
// expected is in the models beside this, and in each client.
//
// Thread: the test's. Owner: the test. Failure: EXPECTs of gtest; Story() says what led there.
#pragma once

#include <stdint.h>

#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "bridge/event/clock.h"
#include "bridge/event/event_loop.h"
#include "tests/router/backends/dns_responder.h"
#include "tests/router/service/sequence/backends.h"
#include "tests/router/service/sequence/client.h"
#include "tests/router/service/sequence/health_model.h"
#include "tests/router/service/sequence/limits_model.h"
#include "tests/router/service/sequence/names_model.h"
#include "tests/router/service/sequence/plan.h"
#include "tests/router/service/sequence/serving.h"

namespace tlsbridge::testing {

class Sequence {
 public:
  explicit Sequence(uint64_t seed);

  // Returns at the first failure.
  void Run(int steps);
  // All clients leave; then nothing may be left.
  void Finish();

  // The last steps.
  std::string Story() const;
  // How often what happened, over the whole run.
  const std::map<std::string, int>& happened() const { return happened_; }

 private:
  using Endpoints = std::map<EndpointId, EndpointStatus>;
  using Grounds = std::set<TerminationReason>;

  int Between(int least, int most) {
    return std::uniform_int_distribution<int>(least, most)(random_);
  }
  bool OneIn(int n) { return Between(1, n) == 1; }
  absl::Time now() const { return clock_.Monotonic(); }
  void Note(const std::string& what);
  void Count(const std::string& what) { ++happened_[what]; }

  // ---- sequence_steps.cc: what can happen.
  void Step();
  void Pass(absl::Duration time);
  void Reload();
  void BackendTurns();
  void DnsTurns();
  void Open();
  void Hello(Client* client);
  void EndHandshake(Client* client);
  void ActOn(Client* client);
  void ActOnBridged(Client* client);
  void End(Client* client, bool by_client);
  void Break(Client* client, bool by_client);
  Client* AnyClient();
  std::string HelloFor(const std::string& route);

  // ---- sequence.cc: turning, and what must come of it.
  void Turn(int rounds);
  // Until all is as it must be, or patience is at an end: kernels take their time.
  void Settle();
  std::vector<std::string> Problems();
  void LookForEnds(std::vector<std::string>* problems);
  void JudgeClients(std::vector<std::string>* problems);
  void JudgeCounts(std::vector<std::string>* problems);
  void JudgeBackends(std::vector<std::string>* problems);
  bool IsAlive(const Client& client) const { return seen_.records.contains(client.address); }
  void Gone(std::unique_ptr<Client> client);
  LimitsModel& LimitsOf(const std::string& route);

  // ---- sequence_backends.cc: reloads and choices of backends.
  bool AdoptModel(const Config& before);
  std::string KeyOf(const std::string& dns_name) const;
  int64_t DialsOf(const LiveRoute& route, const Endpoints& before) const;
  void JudgeReload(const Config& before, const std::map<std::string, Endpoints>& endpoints);
  void JudgeShares();
  void JudgeDial(Client* client, const LiveRoute& route, const Endpoints& before);
  Endpoints EndpointsOf(const LiveRoute& route) const;
  std::map<std::string, Endpoints> AllEndpoints() const;

  std::mt19937_64 random_;
  ManualClock clock_;
  std::unique_ptr<EventLoop> control_;
  Backends backends_;
  DnsResponder dns_;
  ListeningPeer busy_;  // an address that nobody else can have
  Plan plan_;
  Serving serving_;

  std::shared_ptr<const Config> config_;
  LimitsModel program_{TerminationReason::kGlobalLimit, /*counts_all=*/true};
  std::map<std::string, LimitsModel> limits_;
  NamesModel names_;
  HealthModel health_;
  std::vector<std::unique_ptr<Client>> clients_;
  uint64_t next_id_ = 1;
  bool stopping_ = false;
  std::map<std::string, std::string> hellos_;

  Serving::Seen seen_;
  TerminationStats counted_;   // at the last look
  std::vector<Grounds> gone_;  // since then
  uint64_t gone_ever_ = 0;
  std::vector<std::string> story_;
  std::map<std::string, int> happened_;
};

}  // namespace tlsbridge::testing
