// Random peers against a bridge, and a model of what may come of it: every byte arrives once and in
// order, there is one end, with a reason that the peers have given, and nothing is left behind. The
// bridge itself checks its table of states behind each event, in debug and sanitizer builds.
//
// A short run by default. A long one, 1,000,000 events:
//   bazel test --config=asan //tests/bridge:bridge_model_test --test_timeout=3600
//       --test_env=BRIDGE_MODEL_EVENTS=1000000 --test_env=BRIDGE_MODEL_SEED=1
// Each failure names the seed of its case: with that as BRIDGE_MODEL_SEED it is the first.

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "bridge/bridge.h"
#include "bridge/event/clock.h"
#include "gtest/gtest.h"
#include "tests/support/peer.h"
#include "tests/support/tls_peer.h"
#include "tls/certificates/development_ca.h"
#include "tls/client_session.h"
#include "tls/server_context.h"

namespace tlsbridge::testing {
namespace {

constexpr absl::Duration kHalfClose = absl::Seconds(60);
constexpr size_t kPeriod = 251;  // no power of two, so that a piece that is missing shows

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* value = getenv(name);
  return value == nullptr ? otherwise : strtoull(value, nullptr, 10);
}

char ByteAt(uint64_t offset) {
  return static_cast<char>(offset % kPeriod + offset / kPeriod % kPeriod);
}

std::string Piece(uint64_t from, size_t length) {
  std::string piece(length, '\0');
  for (size_t i = 0; i < length; ++i) piece[i] = ByteAt(from + i);
  return piece;
}

const tls::ServerContext& Context() {
  static const auto* const context = new std::shared_ptr<const tls::ServerContext>([] {
    return *tls::ServerContext::Create(tls::MakeDevelopmentIdentity(absl::UnixEpoch())->localhost);
  }());
  return **context;
}

// What all cases of a run share.
struct World {
  World() {
    char folder[] = "/tmp/tlsbridge-XXXXXX";  // a socket's name must be short
    path = absl::StrCat(mkdtemp(folder), "/app.sock");
    local = std::make_unique<ListeningPeer>(*SocketAddress::Parse("unix:" + path));
    local_door = std::make_unique<ListeningPeer>(*SocketAddress::Parse("unix:" + path + "2"));
  }
  ~World() {
    unlink(path.c_str());
    unlink((path + "2").c_str());
    rmdir(path.substr(0, path.rfind('/')).c_str());
  }

  ManualClock clock;
  std::unique_ptr<EventLoop> loop = *EventLoop::Create(&clock);
  WorkerMemory memory;
  ListeningPeer door;
  ListeningPeer tcp;
  std::string path;
  std::unique_ptr<ListeningPeer> local;
  std::unique_ptr<ListeningPeer> local_door;
};

class Case final : public Bridge::Observer {
 public:
  Case(World* world, uint64_t seed) : world_(*world), random_(seed) {}

  // Returns how many events there were.
  int Run() {
    Begin();
    const int events = Between(5, 80);
    for (int i = 0; i < events && !closed_; ++i) {
      Step();
      if (::testing::Test::HasFailure()) return i;
    }
    Finish();
    return events;
  }

  std::string Story() const { return absl::StrJoin(story_, ", "); }

 private:
  enum class Client { kPlain, kTls12, kTls13 };

  struct Party {
    uint64_t sent = 0;  // given to its socket, or to its TLS
    uint64_t got = 0;   // of the other's, and it was right
    bool stalled = false;
    bool ended = false;  // its stream, and properly
    bool cut = false;    // FIN without close_notify
    bool gone = false;   // reset or closed: what it has not read is lost

    bool silent() const { return ended || cut || gone; }
  };

  // ---- The bridge's observer: what a router would do.

  absl::Span<const uint8_t> OnFirstBytes(absl::Span<const uint8_t> bytes) override {
    if (OneIn(2)) {
      bridge_->AwaitTurn();
    } else {
      bridge_->Terminate(tls::ClientSession::Accept(Context(), &world_.memory.tls));
    }
    return bytes;
  }
  void OnHandshakeInput() override { turn_is_due_ = waits_for_us_ = true; }
  void OnClientsTurn() override {
    EXPECT_EQ(bridge_->state(), BridgeState::kHandshaking);
    EXPECT_TRUE(std::exchange(waits_for_us_, false)) << "told twice";
  }
  void OnClientReady() override {
    ready_ = true;
    waits_for_us_ = false;
  }
  void OnBackendConnected() override { EXPECT_FALSE(std::exchange(connected_, true)); }
  void OnFirstAnswer() override {}
  void OnConnectFailed(int error, const tls::Failure&) override {
    EXPECT_NE(error, 0);
    EXPECT_FALSE(connected_);
    if (tries_++ < 3) return Dial();
    given_up_ = true;
    // Without an alert, which would be bytes to a client that speaks no TLS.
    bridge_->Cleanup({Ending::kQuiet, Ending::kReset});
  }
  void OnHalfClosed() override { EXPECT_FALSE(std::exchange(half_closed_, true)) << "told twice"; }
  void OnEnded(const End& end) override {
    EXPECT_FALSE(ended_ || given_up_) << "told twice";
    ended_ = true;
    end_ = end;
    bridge_->Cleanup(EndingsFor(end.reason, stage()));
  }
  void OnClosed() override { EXPECT_FALSE(std::exchange(closed_, true)) << "told twice"; }

  // Of a client that speaks no TLS: an alert would be bytes to it.
  Stage stage() const {
    const bool served = bridge_->backend_connected() || kind_ == Client::kPlain;
    return served ? Stage::kUnderWay : Stage::kUnserved;
  }

  // ---- What can happen.

  int Between(int least, int most) {
    return std::uniform_int_distribution<int>(least, most)(random_);
  }
  bool OneIn(int n) { return Between(1, n) == 1; }

  void Begin() {
    kind_ = static_cast<Client>(std::max(0, Between(-9, 2)));
    Note(kind_ == Client::kPlain ? "plain" : kind_ == Client::kTls12 ? "tls12" : "tls13");
    unix_backend_ = OneIn(2);
    if (unix_backend_) Note("unix backend");
    // A TCP socket with small buffers moves at the pace of the kernel's timers, a UNIX one does
    // not.
    const bool small_buffers = OneIn(2);
    ListeningPeer& door = small_buffers ? *world_.local_door : world_.door;
    auto socket = Peer::Connect(door.address());
    auto accepted = door.Accept();
    ASSERT_NE(accepted, nullptr);
    const int fd = fcntl(accepted->fd(), F_DUPFD_CLOEXEC, 0);
    if (small_buffers) {
      Note("small buffers");
      const int small = 4096;
      setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    }
    bridge_ = std::make_unique<Bridge>(fd, &options_, this, world_.loop.get(), &world_.memory);
    if (kind_ == Client::kPlain) {
      plain_client_ = std::move(socket);
      bridge_->PassThrough();
    } else {
      tls_client_ = std::make_unique<TlsPeer>(
          std::move(socket),
          TlsPeer::Options{.version = static_cast<uint16_t>(
                               kind_ == Client::kTls12 ? TLS1_2_VERSION : TLS1_3_VERSION)});
    }
  }

  void Dial() {
    ready_ = false;
    const SocketAddress nobody = *SocketAddress::Parse("unix:/nonexistent/app.sock");
    const SocketAddress somebody = unix_backend_ ? world_.local->address() : world_.tcp.address();
    std::vector<SocketAddress> addresses;
    if (OneIn(4)) addresses.push_back(nobody);
    if (!OneIn(6)) addresses.push_back(somebody);
    if (addresses.empty() || OneIn(4)) addresses.push_back(nobody);
    bridge_->ConnectBackend(addresses);
  }

  void Step() {
    switch (Between(0, 15)) {
      case 0:
      case 1:
        return Act("client sends", &client_, [this] { ClientSends(); });
      case 2:
      case 3:
        return Act("backend sends", &backend_, [this] {
          if (backend_peer_ == nullptr) return;
          const size_t length = Length();
          backend_peer_->Send(Piece(backend_.sent, length));
          backend_.sent += length;
        });
      case 4:
        if (!OneIn(3)) return Turn();
        return Act("client ends", &client_, [this] { ClientEnds(); });
      case 5:
        if (!OneIn(3)) return Turn();
        return Act("backend ends", &backend_, [this] {
          if (backend_peer_ == nullptr) return;
          backend_peer_->Fin();
          backend_.ended = true;
        });
      case 6:
        if (!OneIn(5)) return Turn();
        Note("client leaves");
        return Leave(&client_, &ClientSocket());
      case 7:
        if (!OneIn(5) || backend_peer_ == nullptr) return Turn();
        Note("backend leaves");
        return Leave(&backend_, backend_peer_.get());
      case 8:
        Note("client stalls or goes on");
        client_.stalled = !client_.stalled;
        return ClientSocket().StallReading(client_.stalled);
      case 9:
        Note("backend stalls or goes on");
        backend_.stalled = !backend_.stalled;
        if (backend_peer_ != nullptr) backend_peer_->StallReading(backend_.stalled);
        return;
      case 10:
        Note("time");
        world_.clock.Advance(absl::Milliseconds(OneIn(4) ? Between(100, 5000) : Between(1, 50)));
        return Turn();
      case 11:
        if (bridge_->state() != BridgeState::kConnecting || !OneIn(4)) return Turn();
        Note("connect timeout");
        return bridge_->AbandonBackend();
      case 12:
        if (!OneIn(20) || ended_ || given_up_) return Turn();
        Note("admin");
        given_up_ = true;
        return bridge_->Cleanup(EndingsFor(
            OneIn(2) ? TerminationReason::kAdmin : TerminationReason::kEconnreset, stage()));
      default:
        return Turn();
    }
  }

  template <typename F>
  void Act(const char* what, Party* party, F act) {
    if (party->silent()) return Turn();
    Note(what);
    act();
  }

  size_t Length() {
    return static_cast<size_t>(OneIn(10) ? Between(50'000, 400'000) : Between(1, 5'000));
  }

  void ClientSends() {
    const size_t length = Length();
    const std::string piece = Piece(client_.sent, length);
    client_.sent += length;
    plain_client_ != nullptr ? plain_client_->Send(piece) : tls_client_->Send(piece);
  }

  void ClientEnds() {
    if (plain_client_ != nullptr) {
      plain_client_->Fin();
      client_.ended = true;
    } else if (tls_client_->handshake_done() && !OneIn(4)) {
      tls_client_->SendCloseNotify();
      if (OneIn(2)) ClientSocket().Fin();
      client_.ended = true;
    } else {
      ClientSocket().Fin();
      client_.cut = true;
    }
  }

  void Leave(Party* party, Peer* socket) {
    party->gone = true;
    OneIn(2) ? socket->Reset() : socket->Close();
  }

  Peer& ClientSocket() { return plain_client_ ? *plain_client_ : tls_client_->socket(); }

  void Turn() {
    if (turn_is_due_ && !closed_ && OneIn(2)) TakeTurn();
    if (ready_ && !closed_ && OneIn(2)) Dial();
    world_.loop->Turn(/*wait=*/false);
    Accept();
    StepPeers();
    Check();
  }

  void TakeTurn() {
    turn_is_due_ = false;
    if (bridge_->state() == BridgeState::kPeeking) {
      if (!bridge_->ClientStays()) return;
      bridge_->Terminate(tls::ClientSession::Accept(Context(), &world_.memory.tls));
    }
    bridge_->StepHandshake();
  }

  // The peer of the last dial is the backend; some leave at once, so that the first write fails.
  void Accept() {
    while (auto peer = (unix_backend_ ? world_.local.get() : &world_.tcp)->Accept()) {
      if (settled_) continue;
      backend_peer_ = std::move(peer);
      backend_ = {};
      if (OneIn(8)) {
        Note("backend leaves at once");
        Leave(&backend_, backend_peer_.get());
      }
    }
    settled_ = connected_ && backend_peer_ != nullptr;
  }

  void StepPeers() {
    if (tls_client_ != nullptr) {
      if (!client_.gone) tls_client_->Step();
      Compare("client", tls_client_->received().substr(client_.got), &client_, backend_);
    } else {
      if (!client_.gone) plain_client_->Step();
      Compare("client", plain_client_->TakeReceived(), &client_, backend_);
    }
    if (backend_peer_ == nullptr) return;
    if (!backend_.gone) backend_peer_->Step();
    Compare("backend", backend_peer_->TakeReceived(), &backend_, client_);
  }

  // Every byte once, and in order.
  static void Compare(const char* who, const std::string& bytes, Party* to, const Party& from) {
    ASSERT_LE(to->got + bytes.size(), from.sent) << who << " gets what nobody sent";
    ASSERT_TRUE(bytes == Piece(to->got, bytes.size())) << who << ", behind byte " << to->got;
    to->got += bytes.size();
  }

  void Check() {
    if (closed_ || ended_ || given_up_) return;
    EXPECT_LE(bridge_->queued_to_backend(), 4 * Endpoint::kHighMarkOfBytes + 64 * 1024);
    EXPECT_LE(bridge_->queued_to_client(), 2 * Endpoint::kHighMarkOfBytes);
    EXPECT_EQ(bridge_->state() == BridgeState::kHalfClosed, half_closed_);
    EXPECT_EQ(waits_for_us_, turn_is_due_) << "each step ends with the client's turn, or the last";
    if (!half_closed_) return;
    if (world_.clock.Monotonic() < bridge_->last_activity() + kHalfClose) return;
    if (bridge_->LookForProgress()) return bridge_->NoteActivity();
    Note("half-close timeout");
    given_up_ = true;
    bridge_->Cleanup(EndingsFor(TerminationReason::kHalfCloseTimeout, stage()));
  }

  // ---- What must come of it.

  // Both read on and end what has not ended: the bridge comes to its end by itself.
  void Finish() {
    Note("finish");
    ReadOn();
    if (!client_.silent()) {
      client_.ended = true;
      if (plain_client_ != nullptr) {
        plain_client_->Fin();
      } else if (tls_client_->handshake_done()) {
        tls_client_->SendCloseNotify();
      } else {
        client_.ended = false;
        Leave(&client_, &ClientSocket());
      }
    }
    const absl::Time patience = world_.clock.Monotonic() + absl::Seconds(20);
    for (int i = 0; !closed_ && world_.clock.Monotonic() < patience; ++i) {
      if (i > 300) {  // a kernel's own timers are waited for
        poll(nullptr, 0, /*timeout=*/1);
        world_.clock.Advance(absl::Milliseconds(1));
      }
      Turn();
      if (backend_peer_ != nullptr) {
        ReadOn();
        if (!backend_.silent()) {
          backend_peer_->Fin();
          backend_.ended = true;
        }
      }
      if (client_.ended && tls_client_ != nullptr && tls_client_->end() != StreamEnd::kOpen) {
        ClientSocket().Fin();
      }
      if (::testing::Test::HasFailure()) return;
    }
    EXPECT_TRUE(closed_) << "hangs: " << BridgeStateName(bridge_->state());
    ReadOn();
    for (int i = 0; i < 3; ++i) StepPeers();
    if (ended_) CheckReason();
    bridge_.reset();
    world_.loop->Turn(/*wait=*/false);
    EXPECT_EQ(world_.memory.live.sockets, 0);
    EXPECT_EQ(world_.loop->connection_timers().armed(), 0u);
    EXPECT_TRUE(world_.memory.tls.output().empty());
    while (world_.local->Accept() || world_.tcp.Accept()) {
    }
  }

  void ReadOn() {
    ClientSocket().StallReading(false);
    if (backend_peer_ != nullptr) backend_peer_->StallReading(false);
  }

  void CheckReason() {
    const absl::string_view name = TerminationReasonName(end_.reason);
    switch (end_.reason) {
      case TerminationReason::kClosedIncoming:
      case TerminationReason::kClosedOutgoing: {
        const bool by_client = end_.reason == TerminationReason::kClosedIncoming;
        // A close() is FIN, where nothing was left to read.
        const bool client_ended = client_.ended || client_.gone;
        const bool backend_ended = backend_.ended || backend_.gone;
        EXPECT_TRUE(by_client ? client_ended : backend_ended) << name;
        if (kind_ != Client::kTls12) {
          EXPECT_TRUE(client_ended && backend_ended) << name;
        }
        if (!backend_.gone && client_.ended && !client_.gone) {
          EXPECT_EQ(backend_.got, client_.sent) << name;
        }
        if (!client_.gone && backend_.ended && !backend_.gone && kind_ != Client::kTls12) {
          EXPECT_EQ(client_.got, backend_.sent) << name;
        }
        return;
      }
      case TerminationReason::kEconnreset:
        EXPECT_TRUE(client_.gone || backend_.gone || client_.cut || client_.ended) << name;
        return;
      case TerminationReason::kTruncated:
        EXPECT_TRUE(tls_client_ != nullptr && (client_.cut || client_.gone)) << name;
        return;
      case TerminationReason::kTlsHandshakeFailed:
        EXPECT_TRUE(tls_client_ != nullptr && (client_.cut || client_.gone)) << name;
        return;
      default:
        ADD_FAILURE() << "nobody gave a reason for " << name;
    }
  }

  void Note(const char* what) { story_.push_back(what); }

  World& world_;
  std::mt19937_64 random_;
  BridgeOptions options_;
  Client kind_ = Client::kPlain;
  bool unix_backend_ = false;
  std::unique_ptr<Peer> plain_client_;
  std::unique_ptr<TlsPeer> tls_client_;
  std::unique_ptr<Peer> backend_peer_;
  std::unique_ptr<Bridge> bridge_;
  Party client_, backend_;
  End end_;
  std::vector<const char*> story_;
  int tries_ = 0;
  bool ready_ = false, settled_ = false, turn_is_due_ = false, waits_for_us_ = false;
  bool connected_ = false, half_closed_ = false;
  bool ended_ = false, given_up_ = false, closed_ = false;
};

TEST(BridgeModelTest, WhateverPeersDoEveryByteComesOnceAndThereIsOneEnd) {
  signal(SIGPIPE, SIG_IGN);
  const uint64_t wanted = FromEnvironment("BRIDGE_MODEL_EVENTS", 20'000);
  uint64_t seed = FromEnvironment("BRIDGE_MODEL_SEED", std::random_device()());
  printf("BRIDGE_MODEL_SEED=%llu\n", static_cast<unsigned long long>(seed));
  World world;
  uint64_t events = 0;
  for (; events < wanted; ++seed) {
    Case one(&world, seed);
    events += static_cast<uint64_t>(one.Run());
    ASSERT_FALSE(HasFailure()) << "BRIDGE_MODEL_SEED=" << seed << ": " << one.Story();
  }
  printf("%llu events\n", static_cast<unsigned long long>(events));
  EXPECT_GT(world.memory.pipe.moved_bytes(), 0u) << "nobody has sent much";
}

}  // namespace
}  // namespace tlsbridge::testing
