// Decides whether a new connection may come in: how many there are in all, per client address and
// per minute, and how many of an address have not finished their handshakes.
//
// The last is on by default in the whole program: whoever says nothing after we have answered owes
// us bytes, and holds a connection until the handshake timeout. With half of what there may be, no
// address holds all, and a gateway behind whose address all clients come has room enough: what
// waits for us is finished in milliseconds.
//
// Clients are counted as SocketAddress::ClientKey() says. The table of clients is bounded: an
// address without a live connection is kept only for its rate, and forgotten, the longest idle
// first, when there are more than kMaxIdleClients of them.
//
// Thread: any; locked. Asked once a connection, never while bytes move. Owner: the router; it
// outlives its tokens. Failure: a reason for refusing.
#pragma once

#include <stdint.h>

#include <list>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "bridge/socket_address.h"
#include "bridge/termination_reason.h"
#include "router/config/config.h"
#include "tls/mutex.h"

namespace tlsbridge {

class Admission {
 public:
  // Held by a connection; gives its place back when it dies.
  class Token {
   public:
    Token() = default;
    Token(Token&& other) noexcept;
    Token& operator=(Token&& other) noexcept;
    ~Token();
    void swap(Token& other) noexcept { std::swap(*this, other); }

    // The client's handshake is done: it owes nothing that we wait for.
    void FinishHandshake();

   private:
    friend class Admission;
    Token(Admission* admission, std::string client)
        : admission_(admission), client_(std::move(client)) {}

    Admission* admission_ = nullptr;  // Not owned.
    std::string client_;              // empty: not counted by its address
    bool handshaking_ = true;         // where it is
  };

  // Of the whole program. `budget` is what descriptors and memory allow; it bounds
  // limits.connections. `limits.handshakes` is filled in (HandshakeLimit::WithDefault).
  Admission(const Limits& limits, int64_t budget);
  // Of one route.
  explicit Admission(const Limits& limits);
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;

  // kNone and a token, or the reason for refusing. A refused attempt counts for nothing, so that a
  // client that keeps trying is let in as soon as it may.
  TerminationReason Admit(const SocketAddress& peer, absl::Time now, Token* token);

  // Counts one that is in already, whatever the limits say.
  void Count(const SocketAddress& peer, absl::Time now, Token* token);

  // The same as Admit() in two steps, for a peer that is to tell on whose behalf it comes, as a
  // balancer does by the PROXY protocol. The balancer counts in the total only, the client by its
  // address, too; one that is refused leaves `token` what it was. REQUIRES: `token` is
  // AdmitUnnamed()'s.
  TerminationReason AdmitUnnamed(Token* token);
  TerminationReason NameClient(const SocketAddress& client, absl::Time now, Token* token);

  // Applies to whoever comes from now on. Clients are counted from when their limits are set.
  void SetLimits(const Limits& limits);
  // Of the whole program.
  void SetLimits(const Limits& limits, int64_t budget);

  // Of one client, what came lately: for another process that goes on in this one's place. Minutes
  // are of the clock that `now` is of, which all processes of a machine share.
  struct Rate {
    std::string client;  // SocketAddress::ClientKey()
    int64_t minute = 0;
    int64_t new_in_minute = 0;
    int64_t new_in_last_minute = 0;
  };
  // None where no rate is limited; at most kMaxIdleClients, those whose time has run out left away.
  std::vector<Rate> ExportRates(absl::Time now) const;
  void ImportRates(const std::vector<Rate>& rates);

  int64_t connections() const;
  int64_t admitted() const;  // that there have ever been
  int64_t limit() const;
  size_t clients() const;
  // Of one address; 0 is no limit.
  int64_t handshakes_per_ip() const;

  static constexpr size_t kMaxIdleClients = 65536;
  // The least that limits.handshakes_per_ip is by default: who opens one connection behind the
  // other has some that are not finished at our end yet.
  static constexpr int64_t kLeastHandshakesPerIp = 4;

 private:
  struct Client {
    int64_t connections = 0;
    int64_t handshaking = 0;  // of them
    // A sliding minute: what came in this one and in the one before.
    int64_t minute = 0;
    int64_t new_in_minute = 0;
    int64_t new_in_last_minute = 0;
    std::list<std::string>::iterator idle;  // valid while connections is 0
  };

  Admission(const Limits& limits, int64_t budget, TerminationReason over_limit);

  bool counts_clients() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return per_ip_ > 0 || per_ip_per_minute_ > 0 || handshakes_per_ip_ > 0;
  }
  TerminationReason AdmitClient(const std::string& key, absl::Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool WithinRate(Client* client, absl::Time now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FinishHandshake(const std::string& key);
  void Release(const Token& token);

  const TerminationReason over_limit_;

  mutable Mutex mutex_;
  int64_t budget_ ABSL_GUARDED_BY(mutex_);
  int64_t limit_ ABSL_GUARDED_BY(mutex_) = 0;
  TerminationReason limit_reason_ ABSL_GUARDED_BY(mutex_) = TerminationReason::kNone;
  int64_t per_ip_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t per_ip_per_minute_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t handshakes_per_ip_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t connections_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t admitted_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<std::string, Client> clients_ ABSL_GUARDED_BY(mutex_);
  std::list<std::string> idle_ ABSL_GUARDED_BY(mutex_);  // longest idle first
};

}  // namespace tlsbridge
