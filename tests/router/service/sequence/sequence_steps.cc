#include <poll.h>
#include <sys/socket.h>

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "router/live/reloader.h"
#include "tests/router/service/sequence/sequence.h"

namespace tlsbridge::testing {
namespace {

using Reason = TerminationReason;

// From `ip`, since clients are told apart by it.
std::unique_ptr<Peer> ConnectFrom(const std::string& ip, const SocketAddress& to) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const SocketAddress from = *SocketAddress::Parse(ip + ":0");
  EXPECT_EQ(bind(fd, from.get(), from.length()), 0);
  EXPECT_TRUE(connect(fd, to.get(), to.length()) == 0 || errno == EINPROGRESS) << errno;
  return std::make_unique<Peer>(fd);
}

const Route* RouteNamed(const Config& config, const std::string& name) {
  for (const Route& route : config.routes) {
    if (route.name == name) return &route;
  }
  return nullptr;
}

}  // namespace

void Sequence::Step() {
  const int what = Between(0, 99);
  if (what < 20)
    return Pass(absl::Milliseconds(OneIn(8) ? Between(5'000, 20'000) : Between(10, 3'000)));
  if (what < 38) return Reload();
  if (what < 41) return BackendTurns();
  if (what < 44) return DnsTurns();
  constexpr size_t kMost = 24;
  if (what < 66 && clients_.size() < kMost) return Open();
  if (Client* const client = AnyClient()) return ActOn(client);
  Open();
}

// In steps, so that what is due in between happens.
void Sequence::Pass(absl::Duration time) {
  Note(absl::StrCat("time: ", absl::FormatDuration(time)));
  constexpr absl::Duration kSlice = absl::Milliseconds(500);
  for (const absl::Time end = now() + time; now() < end;) {
    clock_.Advance(std::min(kSlice, end - now()));
    poll(nullptr, 0, /*timeout=*/1);  // for the thread of lookups
    Settle();
    if (::testing::Test::HasFailure()) return;
  }
}

void Sequence::BackendTurns() {
  const auto i = static_cast<size_t>(Between(0, Backends::kCount - 1));
  Note(absl::StrCat("backend ", i, backends_.up(i) ? " dies" : " comes back"));
  Count(backends_.up(i) ? "backend died" : "backend came back");
  backends_.up(i) ? backends_.Die(i, now()) : backends_.ComeBack(i, now());
}

void Sequence::DnsTurns() {
  if (names_.failing() || OneIn(4)) {
    const bool fails = !names_.failing();
    Note(fails ? "DNS fails" : "DNS answers");
    Count("DNS failed or answered");
    dns_.set_mode(fails ? DnsResponder::Mode::kServfail : DnsResponder::Mode::kAnswer);
    return names_.Fail(fails, now());
  }
  const std::string& name = Plan::DnsNames()[Between(0, 1)];
  std::vector<std::string> addresses;
  NamesModel::Meaning meaning;
  for (size_t i = 0; i < Backends::kCount && !OneIn(4); ++i) {
    if (OneIn(2)) continue;
    addresses.push_back(absl::StrCat("127.0.0.", 11 + i));
    meaning.insert(backends_.address(i).ToString());
  }
  Note(absl::StrCat(name, " has ", meaning.size(), " addresses"));
  Count(meaning.empty() ? "name vanished" : "name changed");
  dns_.SetAddresses(name, addresses, /*ttl=*/5);
  names_.Answer(KeyOf(name), std::move(meaning), now());
}

// ---- Clients.

Client* Sequence::AnyClient() {
  if (clients_.empty()) return nullptr;
  return clients_[Between(0, static_cast<int>(clients_.size()) - 1)].get();
}

// The bytes of a ClientHello that asks for it.
std::string Sequence::HelloFor(const std::string& route) {
  std::string& hello = hellos_[route];
  if (hello.empty()) {
    int pair[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    const Peer other(pair[1]);
    TlsPeer client(std::make_unique<Peer>(pair[0]),
                   {.server_name = route + ".test", .allowance = 0});
    hello = client.TakeHeldBack();
  }
  return hello;
}

void Sequence::Open() {
  auto owner = std::make_unique<Client>();
  Client& client = *owner;
  client.id = next_id_++;
  client.ip = absl::StrCat("127.0.1.", Between(1, 3));
  client.route = Plan::RouteNames()[Between(0, 3)];
  client.came = now();
  client.config = config_;
  client.live = serving_.live();
  const Route* const route = RouteNamed(*config_, client.route);
  const bool tls = route == nullptr ? OneIn(2) : route->tls_mode == TlsMode::kTerminate;
  const Listener& listener =
      config_->listeners[Between(0, static_cast<int>(config_->listeners.size()) - 1)];
  auto socket = ConnectFrom(client.ip, serving_.ListenerAt(listener.address));
  client.address = SocketAddress::LocalOf(socket->fd()).ToString();
  if (tls) {
    client.tls = std::make_unique<TlsPeer>(
        std::move(socket), TlsPeer::Options{.server_name = client.route + ".test", .allowance = 0});
  } else {
    client.plain = std::move(socket);
  }
  Note(absl::StrCat("client ", client.id, " of ", client.route, " from ", client.ip,
                    tls ? " comes" : " comes, passed through"));
  Count("client came");
  Grounds allowed = program_.Expect(client.ip, now());
  const bool may_enter = allowed.erase(Reason::kNone) > 0;
  for (const Reason reason : allowed) client.MayEnd({reason}, now());
  clients_.push_back(std::move(owner));
  if (!may_enter) return client.MustEnd({}, now());
  // Either may come of it: what does?
  for (int i = 0; i < 200; ++i) {
    Turn(4);
    seen_ = serving_.Look();
    if (IsAlive(client) || client.socket().end() != StreamEnd::kOpen) break;
  }
  if (!IsAlive(client)) return;
  client.GoOn();
  client.MustEnd({Reason::kHandshakeTimeout}, now() + absl::Seconds(10));
  program_.Enter(client.id, client.ip, now());
  if (!OneIn(3)) Hello(&client);
}

void Sequence::Hello(Client* client) {
  Note(absl::StrCat("client ", client->id, " says what it wants"));
  const Route* const route = RouteNamed(*client->config, client->route);
  const auto send_hello = [&] {
    if (client->plain != nullptr) return client->plain->Send(HelloFor(client->route));
    client->tls->Allow(client->tls->held_back());
  };
  if (route == nullptr) {
    client->MustEnd({Reason::kNoRoute}, now());
    return send_hello();
  }
  // It is served by what was there when it came, but for as long as others of a route that is gone.
  if (serving_.live()->ByName(client->route) == nullptr) {
    client->Retire(now(), config_->shutdown.drain_timeout);
  }
  const SocketAddress from = *SocketAddress::Parse(client->ip + ":1");
  if (!route->deny_ip.empty() && route->deny_ip[0].Contains(from)) {
    client->MustEnd({Reason::kDenied}, now());
    return send_hello();
  }
  LimitsModel& limits = LimitsOf(client->route);
  Grounds allowed = limits.Expect(client->ip, now());
  const bool may_enter = allowed.erase(Reason::kNone) > 0;
  for (const Reason reason : allowed) client->MayEnd({reason}, now());
  if (!may_enter) {
    client->MustEnd({}, now());
    return send_hello();
  }
  const bool waits = client->tls != nullptr;
  const std::shared_ptr<const LiveConfig> live = client->live.lock();
  ASSERT_NE(live, nullptr);
  const std::shared_ptr<const LiveRoute> its = live->Share(client->route);
  const Endpoints before = EndpointsOf(*its);
  send_hello();
  for (int i = 0; i < 200; ++i) {
    Turn(4);
    seen_ = serving_.Look();
    if (!IsAlive(*client) || seen_.records[client->address]["state"] != "peeking") break;
  }
  const bool dialled = DialsOf(*its, before) > 0;
  if (!IsAlive(*client) && !dialled) {
    // Refused, or none of its backends may be dialled.
    if (allowed.empty() && client->retired > now()) JudgeDial(client, *its, before);
    return;
  }
  client->entered = true;
  limits.Enter(client->id, client->ip, now());
  client->GoOn();
  if (client->retired_by <= now()) return;
  if (!waits) return JudgeDial(client, *its, before);
  client->phase = Client::Phase::kHandshaking;
  client->its_route = its;
  client->MustEnd({Reason::kHandshakeTimeout}, client->came + absl::Seconds(10));
  if (!OneIn(3)) EndHandshake(client);
}

void Sequence::EndHandshake(Client* client) {
  Note(absl::StrCat("client ", client->id, " ends its handshake"));
  const std::shared_ptr<const LiveRoute> its = client->its_route.lock();
  ASSERT_NE(its, nullptr);
  const Endpoints before = EndpointsOf(*its);
  client->GoOn();
  client->tls->Allow(std::numeric_limits<size_t>::max());
  for (int i = 0; i < 200; ++i) {
    Turn(4);
    seen_ = serving_.Look();
    if (!IsAlive(*client) || seen_.records[client->address]["state"] != "handshaking") break;
  }
  // Its route was taken away, and a reload has made the time shorter that it had left.
  const bool has_ended = !IsAlive(*client) || seen_.records[client->address]["state"] == "draining";
  if (has_ended && now() >= client->retired && DialsOf(*its, before) == 0) return;
  JudgeDial(client, *its, before);
}

void Sequence::ActOn(Client* client) {
  // What has ended for the router may still be on its way out.
  if (client->gone_by <= now() || client->retired_by <= now()) return;
  switch (client->phase) {
    case Client::Phase::kSilent:
      return OneIn(5) ? Break(client, /*by_client=*/true) : Hello(client);
    case Client::Phase::kHandshaking:
      return OneIn(5) ? Break(client, /*by_client=*/true) : EndHandshake(client);
    case Client::Phase::kDialled:
      if (OneIn(3)) return Break(client, /*by_client=*/true);
      return Pass(absl::Milliseconds(Between(100, 2'000)));
    case Client::Phase::kBridging:
      return ActOnBridged(client);
  }
}

void Sequence::ActOnBridged(Client* client) {
  Peer* const backend = backends_.PeerOf(client->id);
  ASSERT_NE(backend, nullptr) << client->id << "\n" << Story();
  if (!client->grounds.empty() || now() >= client->retired) return;
  const int what = Between(0, 11);
  if (client->stalled && what > 1) {
    Note(absl::StrCat("client ", client->id, "'s backend reads on"));
    client->stalled = false;
    client->last_activity = now();
    return backend->StallReading(false);
  }
  if (what <= 1) return Break(client, /*by_client=*/what == 0);
  if (what <= 4) {
    if (!client->client_ended) return End(client, /*by_client=*/true);
  } else if (what <= 6) {
    if (!client->backend_ended) return End(client, /*by_client=*/false);
  } else if (what == 7 && !client->half_closed()) {
    Note(absl::StrCat("client ", client->id, "'s backend reads no more"));
    client->stalled = true;
    backend->StallReading(true);
    return client->Send(std::string(6 << 20, 'x'));
  } else if (what <= 9 && !client->client_ended) {
    Note(absl::StrCat("client ", client->id, " sends"));
    client->last_activity = now();
    return client->Send("more");
  }
  if (client->backend_ended) return;
  Note(absl::StrCat("client ", client->id, "'s backend sends"));
  client->last_activity = now();
  backend->Send("an answer");
}

void Sequence::End(Client* client, bool by_client) {
  Note(absl::StrCat("client ", client->id, by_client ? " ends" : "'s backend ends"));
  if (!by_client) {
    backends_.PeerOf(client->id)->Fin();
  } else if (client->tls != nullptr && OneIn(4)) {
    client->tls->socket().Fin();  // without a goodbye
    return client->MustEnd({Reason::kTruncated}, now());
  } else {
    if (client->tls != nullptr) client->tls->SendCloseNotify();
    client->socket().Fin();
  }
  (by_client ? client->client_ended : client->backend_ended) = true;
  client->last_activity = now();
  if (!client->client_ended || !client->backend_ended) return;
  client->MustEnd({Reason::kClosedIncoming, Reason::kClosedOutgoing}, now());
}

void Sequence::Break(Client* client, bool by_client) {
  Note(absl::StrCat("client ", client->id, by_client ? " breaks" : "'s backend breaks"));
  (by_client ? client->socket() : *backends_.PeerOf(client->id)).Reset();
  client->MayEnd({Reason::kEconnreset, Reason::kClosedIncoming, Reason::kClosedOutgoing}, now());
  switch (client->phase) {
    case Client::Phase::kSilent:
    case Client::Phase::kHandshaking:
      return client->MustEnd({Reason::kTlsHandshakeFailed}, now());
    case Client::Phase::kDialled:
      return;  // seen once it is connected
    case Client::Phase::kBridging:
      // Whoever has ended is no longer read from.
      if (by_client ? client->client_ended : client->backend_ended) return;
      if (!client->stalled) return client->MustEnd({}, now());
      // A backend is owed what came before, be it half a request, for as long as it may half-close;
      // its kernel may take a little in between, which counts as progress.
      client->MayEnd({Reason::kHalfCloseTimeout}, now());
      client->MustEnd({}, now() + 2 * Client::kHalfClose);
  }
}

// ---- Reloads.

void Sequence::Reload() {
  Config next = plan_.Next(*config_);
  const bool refused = OneIn(4);
  if (refused) next.listeners.push_back({.address = busy_.address()});
  Note(refused ? "reload, refused" : absl::StrCat("reload: ", DescribeChanges(*config_, next)));
  Count(refused ? "reload refused" : "reload");
  std::string before;
  int asked = -1;
  // Bytes may be on their way, and questions.
  int still = 0;  // for so many looks
  for (int i = 0; i < 500 && still < 5; ++i) {
    const bool moved = before != seen_.all || asked != dns_.udp_questions();
    still = moved ? 0 : still + 1;
    before = seen_.all;
    asked = dns_.udp_questions();
    poll(nullptr, 0, /*timeout=*/1);
    Turn(6);
    seen_ = serving_.Look();
  }
  const auto endpoints = AllEndpoints();
  ASSERT_EQ(serving_.Reload(next), !refused);
  if (refused) {
    Turn(20);
    EXPECT_EQ(serving_.Look().all, before) << "a refused reload shows";
    EXPECT_EQ(dns_.udp_questions(), asked);
    return;
  }
  const Config was = *std::exchange(config_, std::make_shared<const Config>(std::move(next)));
  const bool asks = AdoptModel(was);
  JudgeReload(was, endpoints);
  Turn(20);
  if (!asks) {
    EXPECT_EQ(dns_.udp_questions(), asked) << "names are asked for again";
  }
  if (::testing::Test::HasFailure()) return;
  JudgeShares();
}

}  // namespace tlsbridge::testing
