#include "tests/router/service/sequence/serving.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "router/stats/routes_json.h"
#include "tests/support/router_fixture.h"

namespace tlsbridge::testing {
namespace {

constexpr int kWorkers = 2;
constexpr int64_t kBudget = 10'000;

template <typename T>
size_t CountAlive(std::vector<std::weak_ptr<T>>* all) {
  all->erase(
      std::remove_if(all->begin(), all->end(), [](const auto& one) { return one.expired(); }),
      all->end());
  return all->size();
}

}  // namespace

Serving::Serving(const ManualClock* clock, EventLoop* control) : clock_(clock), control_(control) {}

Serving::~Serving() {
  reloads_.reset();
  EXPECT_EQ(control_->service_timers().armed(), 0u);
}

std::shared_ptr<const LiveConfig> Serving::Make(const LiveConfig* previous) {
  std::vector<RouteTls> tls(next_.routes.size());
  for (size_t i = 0; i < tls.size(); ++i) {
    if (next_.routes[i].tls_mode == TlsMode::kTerminate) tls[i].server = TestServerContext();
  }
  auto live = LiveConfig::Assemble(next_, std::move(tls), previous, now_);
  EXPECT_TRUE(live.ok()) << live.status();
  const std::lock_guard<std::mutex> lock(mutex_);
  made_ = *live;
  return *std::move(live);
}

void Serving::Know(const std::shared_ptr<const LiveConfig>& live) {
  served_ = live;
  configs_.emplace_back(live);
  for (const auto& route : live->routes()) {
    const auto is_it = [&](const auto& known) { return known.lock() == route; };
    if (std::none_of(routes_.begin(), routes_.end(), is_it)) routes_.emplace_back(route);
  }
}

void Serving::Begin(const Config& config) {
  next_ = config;
  now_ = clock_->Monotonic();
  const std::shared_ptr<const LiveConfig> live = Make(nullptr);
  Know(live);
  const Limits limits = HandshakeLimit::WithDefault(config.limits, kWorkers);
  admission_ = std::make_unique<Admission>(limits, kBudget);
  handshakes_ = std::make_unique<HandshakeLimit>(limits.handshakes);
  std::vector<Worker*> workers;
  for (int i = 0; i < kWorkers; ++i) {
    auto worker =
        Worker::Create(live, admission_.get(), handshakes_.get(), &folder_, clock_, i, kWorkers);
    ASSERT_TRUE(worker.ok()) << worker.status();
    workers_.push_back(*std::move(worker));
    workers.push_back(workers_.back().get());
  }
  listeners_ = std::make_unique<Listeners>(control_, std::move(workers));
  ASSERT_TRUE(listeners_->Open(config.listeners).ok());
  ASSERT_TRUE(listeners_->StartFirst().ok());
  kernel_ = std::make_unique<KernelForwarding>(control_, &folder_);
  ASSERT_TRUE(kernel_->Commit(live).ok());
  lifecycle_ = std::make_unique<Lifecycle>(control_, listeners_.get(), workers_, kernel_.get(),
                                           admission_.get(), [this] { stopped_ = true; });
  auto reloads = Reloads::Create(
      {control_,
       lifecycle_.get(),
       listeners_.get(),
       kernel_.get(),
       workers_,
       admission_.get(),
       handshakes_.get(),
       {.descriptors = 100'000, .memory_bytes = int64_t{64} << 30}},
      {.make = [this](const LiveConfig* previous, const Clock*) { return Make(previous); },
       .watched = false,
       // Another thread may be late.
       .lookups = BackendWatch::Lookups::kLoop},
      live);
  ASSERT_TRUE(reloads.ok()) << reloads.status();
  reloads_ = *std::move(reloads);
  reloads_->Begin();
  lifecycle_->Begin();
}

bool Serving::Reload(const Config& config) {
  next_ = config;
  now_ = clock_->Monotonic();
  const LiveConfig* const before = &reloads_->live();
  made_ = served_;
  reloads_->Reload(Reloader::Cause::kAsked);
  while (&reloads_->live() == before) {
    control_->Turn(/*wait=*/true);
    const std::lock_guard<std::mutex> lock(mutex_);
    if (made_.expired()) return false;  // refused: nobody keeps it
  }
  Know(made_.lock());
  return true;
}

void Serving::Turn() {
  control_->Turn(/*wait=*/false);
  for (auto& worker : workers_) worker->loop()->Turn(/*wait=*/false);
}

Serving::Seen Serving::Look() {
  Seen seen;
  for (auto& worker : workers_) {
    bool answered = false;
    worker->ListConnections({}, {}, [&](const Worker::Snapshot& snapshot) {
      answered = true;
      seen.sum.Add(snapshot);
    });
    while (!answered) worker->loop()->Turn(/*wait=*/false);
  }
  for (nlohmann::json& record : nlohmann::json::parse("[" + seen.sum.records + "]")) {
    const std::string peer = record["peer"];
    seen.records[peer] = std::move(record);
  }
  std::string listeners;
  for (const SocketAddress& address : listeners_->addresses()) {
    absl::StrAppend(&listeners, address.ToString(), " ");
  }
  seen.all = absl::StrCat(RoutesJson(*live(), clock_->Monotonic()), "\n", seen.sum.records, "\n",
                          listeners, admission_->limit(), " ", admission_->connections(), " ",
                          handshakes_->limit());
  for (const auto& route : live()->routes()) {
    absl::StrAppend(&seen.all, " ", route->state->admission.limit());
    for (const EndpointStatus& endpoint : route->backends->Endpoints(clock_->Monotonic())) {
      absl::StrAppend(&seen.all, " ", endpoint.id, "=", endpoint.weight);
    }
  }
  return seen;
}

SocketAddress Serving::ListenerAt(const SocketAddress& wanted) const {
  for (const SocketAddress& address : listeners_->addresses()) {
    if (wanted.IsOrBecame(address)) return address;
  }
  ADD_FAILURE() << wanted.ToString() << " is not open";
  return {};
}

size_t Serving::configs_alive() { return CountAlive(&configs_); }
size_t Serving::routes_alive() { return CountAlive(&routes_); }

}  // namespace tlsbridge::testing
