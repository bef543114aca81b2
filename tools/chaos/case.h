// One connection of a run: its plan, what happened at both ends, and the judgement.
//
// Thread: one. Values. Failure: none; a violation is a sentence.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tools/chaos/plan.h"
#include "tools/chaos/socket.h"

namespace tlsbridge::chaos {

// How this end left, if it did.
enum class OwnEnd : uint8_t { kNone, kFin, kReset, kClosed };

struct ClientSide {
  bool connected = false;
  bool done = false;
  bool hung = false;
  absl::Duration took;
  int port = 0;
  bool handshake_done = false;
  uint64_t handshake_bytes = 0;    // of ours on the wire
  uint64_t sent = 0;               // plaintext, with the header, in records that went out whole
  bool fouled = false;             // something wrong has been sent
  bool close_notify_sent = false;  // whole, on the wire, and nothing wrong before it
  // With TLS 1.2, before the program's: which ends what the program sends, too, wherever it is (RFC
  // 5246 section 7.2.1).
  bool wants_no_more = false;
  OwnEnd own_end = OwnEnd::kNone;
  uint64_t received = 0;
  bool garbled = false;  // a byte received is not the one that was sent
  bool close_notify_received = false;
  int alert_received = -1;
  PeerEnd peer_end = PeerEnd::kOpen;
  std::string complaint;
};

struct BackendSide {
  bool accepted = false;
  bool done = false;
  bool hung = false;
  uint64_t sent = 0;  // plaintext, with the header, as far as our kernel took it
  OwnEnd own_end = OwnEnd::kNone;
  uint64_t received = 0;
  bool garbled = false;
  PeerEnd peer_end = PeerEnd::kOpen;
};

// The shortest timeout that ends a connection in order.
inline constexpr absl::Duration kShortestTimeout = absl::Seconds(4);

struct Case {
  Plan plan;
  // Its route is taken away now and then: what arrives must be right, but need not be all.
  bool may_be_removed = false;
  ClientSide client;
  BackendSide backend;

  // A record whose length has grown makes the program wait for its rest, as for any silent client.
  bool may_have_timed_out() const {
    return plan.kind == Kind::kCorrupt && client.fouled && client.took >= kShortestTimeout;
  }
  // The client left behind its close_notify, before it learnt the name that its backend waits for.
  bool left_unnamed() const {
    return plan.mode == BackendMode::kServerFirst && !backend.accepted &&
           client.close_notify_sent && client.own_end != OwnEnd::kNone;
  }
  // The program itself has ended both streams.
  bool timed_out() const { return plan.waits_for_timeout() || may_have_timed_out(); }
};

// Everything that is wrong with a case that has ended.
std::vector<std::string> Judge(const Case& c);

// The reasons for which the program may have ended it.
std::set<std::string> PossibleReasons(const Case& c);

// What was seen, in words.
std::string DescribeOutcome(const Case& c);

}  // namespace tlsbridge::chaos
