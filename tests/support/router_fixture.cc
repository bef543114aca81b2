#include "tests/support/router_fixture.h"

#include <signal.h>
#include <time.h>

#include <utility>

#include "absl/strings/str_join.h"
#include "router/connections/connection_dump.h"
#include "tls/certificates/development_ca.h"

namespace tlsbridge::testing {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(10);

// Of the processor, since a test that waits turns its loop all the time: a machine that is busy
// with other things must not make it fail.
absl::Duration TimeUsed() {
  timespec used;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return absl::DurationFromTimespec(used);
}

}  // namespace

std::shared_ptr<const tls::ServerContext> TestServerContext() {
  static const auto* const context = new std::shared_ptr<const tls::ServerContext>([] {
    auto identity = tls::MakeDevelopmentIdentity(absl::UnixEpoch());
    EXPECT_TRUE(identity.ok()) << identity.status();
    auto made = tls::ServerContext::Create(identity->localhost);
    EXPECT_TRUE(made.ok()) << made.status();
    return *std::move(made);
  }());
  return *context;
}

// With room, so that route_ stays where it is.
Config RouterFixture::WithOneRoute() {
  Config config;
  config.routes.reserve(8);
  config.routes.emplace_back();
  return config;
}

void RouterFixture::SetUp() {
  signal(SIGPIPE, SIG_IGN);
  auto loop = EventLoop::Create(&clock_);
  ASSERT_TRUE(loop.ok()) << loop.status();
  loop_ = *std::move(loop);
  backend_ = std::make_unique<ListeningPeer>();
  route_.name = "test";
  tls_ = TestServerContext();
}

void RouterFixture::StartRouter() {
  if (backend_address_.family() == AF_UNSPEC) backend_address_ = backend_->address();
  if (route_.backends.empty()) route_.backends.push_back({{.socket = backend_address_}});
  std::vector<RouteTls> tls(config_.routes.size());
  for (size_t i = 0; i < tls.size(); ++i) {
    const TlsMode mode = config_.routes[i].tls_mode;
    const auto& server = i < route_tls_.size() ? route_tls_[i] : tls_;
    if (mode != TlsMode::kPassthrough) tls[i].server = server;
    if (mode == TlsMode::kTerminateAndReencrypt) tls[i].backend = backend_tls_;
  }
  auto live = LiveConfig::Assemble(config_, std::move(tls), /*previous=*/nullptr, loop_->now());
  ASSERT_TRUE(live.ok()) << live.status();
  live_ = *live;
  const Limits limits = HandshakeLimit::WithDefault(config_.limits, /*workers=*/1);
  admission_ = std::make_unique<Admission>(limits, budget_);
  handshake_limit_ = std::make_unique<HandshakeLimit>(limits.handshakes);
  manager_ = std::make_unique<ConnectionManager>(*live, admission_.get(), handshake_limit_.get(),
                                                 &folder_, loop_.get(), &memory_);
  auto listener = ListeningSocket::Open(*SocketAddress::Parse("127.0.0.1:0"));
  ASSERT_TRUE(listener.ok()) << listener.status();
  listener_ = *std::move(listener);
  acceptor_ = std::make_unique<Acceptor>(loop_.get(), listener_.get(),
                                         [this](int fd, const SocketAddress& peer) {
                                           manager_->Accept(fd, peer, &listener_->address());
                                         });
  ASSERT_TRUE(acceptor_->Start().ok());
}

void RouterFixture::StopRouter() {
  if (manager_ == nullptr) return;
  acceptor_.reset();
  manager_->EndAll(TerminationReason::kShutdown);
  Advance(route_.bridge.grace + absl::Milliseconds(1));  // a timer may be a step late
  EXPECT_EQ(manager_->GetConnectionCount(), 0u);
  EXPECT_EQ(manager_->live().records, 0);
  EXPECT_EQ(manager_->live().sockets, 0);
  EXPECT_EQ(manager_->live_timers(), 0u);
  EXPECT_EQ(admission_->connections(), 0);
  EXPECT_EQ(handshake_limit_->waiting(), 0);
  manager_.reset();
}

void RouterFixture::TearDown() { StopRouter(); }

std::unique_ptr<Peer> RouterFixture::ConnectClient() { return Peer::Connect(listener_->address()); }

std::unique_ptr<TlsPeer> RouterFixture::ConnectTls(const TlsPeer::Options& options) {
  return std::make_unique<TlsPeer>(ConnectClient(), options);
}

void RouterFixture::ConnectThrough(const TlsPeer::Options& options) {
  client_ = ConnectTls(options);
  ASSERT_TRUE(Until([this] {
    if (backend_peer_ == nullptr) backend_peer_ = backend_->Accept();
    return backend_peer_ != nullptr && client_->handshake_done();
  }));
  Settle();  // the backend's kernel knows of the connection before the loop does
}

void RouterFixture::StepPeers() {
  if (client_ != nullptr) client_->Step();
  if (backend_peer_ != nullptr) backend_peer_->Step();
}

bool RouterFixture::TurnUntil(absl::FunctionRef<bool()> condition, absl::Duration time_a_turn) {
  const absl::Duration deadline = TimeUsed() + kPatience;
  while (TimeUsed() < deadline) {
    clock_.Advance(time_a_turn);
    loop_->Turn(/*wait=*/false);
    StepPeers();
    if (condition()) return true;
  }
  return false;
}

bool RouterFixture::Until(absl::FunctionRef<bool()> condition) {
  return TurnUntil(condition, absl::ZeroDuration());
}

bool RouterFixture::UntilWithTime(absl::FunctionRef<bool()> condition) {
  return TurnUntil(condition, absl::Milliseconds(1));
}

void RouterFixture::Settle() {
  // Loopback delivers within the call that sends, so that a few turns see everything through.
  for (int i = 0; i < 20; ++i) {
    loop_->Turn(/*wait=*/false);
    StepPeers();
  }
}

void RouterFixture::Advance(absl::Duration by) {
  clock_.Advance(by);
  Settle();
}

void RouterFixture::Stall(absl::Duration by) {
  clock_.set_runs_by_itself(true);
  loop_->Turn(/*wait=*/false);
  Advance(by);
  clock_.set_runs_by_itself(false);
  Settle();
}

std::string RouterFixture::DumpRecords() const {
  return absl::StrJoin(manager_->connections(), ",", [this](std::string* out, const auto& entry) {
    out->append(DumpConnection(*entry.second, loop_->now()));
  });
}

size_t RouterFixture::QueuedBytes() const {
  size_t bytes = 0;
  for (const auto& [id, connection] : manager_->connections()) {
    bytes += connection->bridge().queued_to_client() + connection->bridge().queued_to_backend();
  }
  return bytes;
}

uint64_t RouterFixture::Ended(TerminationReason reason) const {
  return manager_->termination_stats().connections(reason);
}

uint64_t RouterFixture::EndedSide(Side side, TerminationReason reason) const {
  return manager_->termination_stats().side(side, reason);
}

void RouterFixture::ExpectOneEnd(TerminationReason reason, TerminationReason incoming,
                                 TerminationReason outgoing) {
  const TerminationStats& stats = manager_->termination_stats();
  for (size_t i = 0; i < kTerminationReasons; ++i) {
    const auto r = static_cast<TerminationReason>(i);
    const auto name = std::string(TerminationReasonName(r));
    EXPECT_EQ(stats.connections(r), r == reason ? 1u : 0u) << name;
    EXPECT_EQ(stats.side(Side::kIncoming, r), r == incoming ? 1u : 0u) << "incoming " << name;
    const bool counted = r == outgoing && r != TerminationReason::kNone;
    EXPECT_EQ(stats.side(Side::kOutgoing, r), counted ? 1u : 0u) << "outgoing " << name;
  }
}

}  // namespace tlsbridge::testing
