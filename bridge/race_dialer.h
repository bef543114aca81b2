// Connects to the first of one or several addresses of one host that answers (Happy Eyeballs,
// RFC 8305, section 5): the next attempt begins when one fails, or when none has succeeded for
// 250 ms; the first to be connected wins, and the others are closed.
//
// Thread: the loop's. Owner: whoever is called back, once, never inside the constructor; may
// destroy the dialer in that call, and cancels by destroying it before. Loop and counters outlive
// it. Failure: the errno of the attempt that failed last.
#pragma once

#include <stddef.h>

#include <memory>
#include <optional>

#include "absl/container/inlined_vector.h"
#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bridge/event/event_loop.h"
#include "bridge/event/fd_event.h"
#include "bridge/event/timer.h"
#include "bridge/live_counters.h"
#include "bridge/socket_address.h"
#include "bridge/socket_options.h"

namespace tlsbridge {

class RaceDialer {
 public:
  struct Result {
    int fd = -1;       // the callee's from then on; -1 if all attempts failed
    size_t index = 0;  // of the address that has answered
    int error = 0;
  };
  using OnDone = absl::AnyInvocable<void(const Result&) &&>;

  // What section 8 recommends.
  static constexpr absl::Duration kAttemptDelay = absl::Milliseconds(250);

  // REQUIRES: at least one address. Sockets count as live until `on_done` gets one.
  RaceDialer(EventLoop* loop, LiveCounters* live, absl::Span<const SocketAddress> addresses,
             const TcpOptions& options, OnDone on_done);
  RaceDialer(const RaceDialer&) = delete;
  RaceDialer& operator=(const RaceDialer&) = delete;
  ~RaceDialer();

 private:
  class Attempt;

  void StartNext();
  void OnTimer();
  void OnWritable(size_t attempt);
  void Win(size_t attempt);

  EventLoop* const loop_;     // Not owned.
  LiveCounters* const live_;  // Not owned.
  // Most backends have one address.
  const absl::InlinedVector<SocketAddress, 1> addresses_;
  const TcpOptions options_;
  OnDone on_done_;
  size_t begun_ = 0;
  size_t open_ = 0;
  int last_error_ = 0;
  std::optional<size_t> connected_;  // at once; to be told in a turn of its own
  absl::InlinedVector<std::unique_ptr<Attempt>, 1> attempts_;  // of addresses_[i]; null: over
  Timer timer_;
};

}  // namespace tlsbridge
