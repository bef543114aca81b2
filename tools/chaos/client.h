// The client of one case: carries out its plan and notes what it sees.
//
// Thread: one. Owner: the run's set of actors, until it is buried. World, ledger and contexts
// outlive it. Failure: noted in the case.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "tools/chaos/case.h"
#include "tools/chaos/content.h"
#include "tools/chaos/ledger.h"
#include "tools/chaos/socket.h"
#include "tools/chaos/tls_client.h"
#include "tools/chaos/world.h"

namespace tlsbridge::chaos {

class Client final : public Actor {
 public:
  struct Surroundings {
    World* world;
    Ledger* ledger;
    bench::Address program;
    TlsClientContext* tls;
    // The first bytes from a backend that speaks first: joins its connection to the case.
    std::function<void(uint64_t token, uint64_t number)> on_token;
    std::function<void(Client*)> on_done;
    absl::Duration patience;
  };

  explicit Client(const Surroundings& around) : around_(around) {}

  void Start(Case* c);
  void Step() override;

 private:
  bool FinishConnecting();
  void Receive();
  void Produce();
  bool ProduceSome();
  void Foul();
  void ForgeRecords();
  void EndStream();
  void MoveToWire();
  void Transmit();
  void Leave();
  void CountSent();
  bool Finished() const;
  void Done();

  const Plan& plan() const { return c_->plan; }
  ClientSide& seen() { return c_->client; }
  bool speaks_tls() const {
    return plan().kind != Kind::kGarbage && plan().kind != Kind::kPlainHttp;
  }
  uint64_t header_bytes() const {
    return plan().mode == BackendMode::kServerFirst ? 0 : kHeaderBytes;
  }

  const Surroundings& around_;
  Case* c_ = nullptr;
  Socket socket_;
  std::unique_ptr<TlsClient> tls_;
  std::optional<Content> content_;
  std::optional<Content> expected_;
  Verifier verifier_;
  absl::Time deadline_;
  absl::Time paused_until_ = absl::InfinitePast();
  absl::Time stalled_until_ = absl::InfinitePast();
  bool stall_over_ = false;
  bool connected_ = false;
  bool header_sent_ = false;
  bool fouled_ = false;
  bool stream_ended_ = false;
  bool fin_sent_ = false;
  bool left_ = false;
  bool finished_ = false;
  uint32_t writes_ = 0;
  uint64_t body_sent_ = 0;  // given to TLS
  std::string wire_;        // for the socket
  uint64_t queued_ = 0;     // ever put on wire_
  uint64_t on_wire_ = 0;    // ever taken by the kernel
  uint64_t foul_offset_ = kNever;
  uint64_t end_offset_ = kNever;  // behind close_notify
  // Where on the wire the records of a write end, and how much plaintext has been sent by then.
  std::deque<std::pair<uint64_t, uint64_t>> written_;
};

}  // namespace tlsbridge::chaos
