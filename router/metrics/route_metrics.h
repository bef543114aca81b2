// What is counted of one route: how its connections began and ended, what they carried, and how
// long they took.
//
// Each thread that serves the route counts in a share of its own, which others read while it does.
//
// Thread: ShareOf() and what it returns, one thread for each `owner`; Take(), any. Owner: the
// route's state, which outlives the connections that count. Failure: none.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <array>
#include <atomic>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "bridge/counter.h"
#include "bridge/duration_histogram.h"
#include "bridge/termination_reason.h"
#include "tls/failure.h"
#include "tls/session.h"

namespace tlsbridge {

// Of handshakes, as labels: closed lists, the last of each for what is new to us.
inline constexpr std::array<absl::string_view, 3> kTlsVersionLabels = {"TLSv1.3", "TLSv1.2",
                                                                       "other"};
inline constexpr std::array<absl::string_view, 6> kTlsGroupLabels = {
    "X25519MLKEM768", "X25519", "P-256", "P-384", "P-521", "other"};

// Counters, or numbers that were read from them.
template <typename Number, typename Histogram>
struct RouteCounts {
  Number opened = {};  // that chose this route
  std::array<Number, kTerminationReasons> ended = {};
  std::array<Number, tls::kFailureDetails> failed = {};  // handshakes of clients
  std::array<std::array<Number, 2>, kTlsVersionLabels.size()> handshakes = {};  // [][resumed]
  std::array<Number, kTlsGroupLabels.size()> groups = {};
  // What the kernel has forwarded, by the side that sent it: packets with their headers.
  std::array<Number, 2> ip_bytes = {};
  Histogram handshake;   // from accepting the client to being ready to serve it
  Histogram connect;     // from then to the backend that takes it
  Histogram first_byte;  // from then to its first byte
};

struct RouteTotals : RouteCounts<uint64_t, DurationHistogram::Counts> {
  // As Traffic has them.
  std::array<uint64_t, 2> bytes = {};
  std::array<uint64_t, 2> pauses = {};
  uint64_t turns_waited = 0;

  void Add(const RouteTotals& other);
};

class RouteMetrics {
 public:
  struct Share : RouteCounts<Counter, DurationHistogram> {
    Traffic traffic;

    // `detail` is that of a handshake that failed; kNone for another end.
    void CountEnd(TerminationReason reason, tls::FailureDetail detail);
    void CountHandshake(const tls::Session& session, absl::Duration took);
  };

  RouteMetrics() = default;
  ~RouteMetrics();
  RouteMetrics(const RouteMetrics&) = delete;
  RouteMetrics& operator=(const RouteMetrics&) = delete;

  // That of the thread that `owner` stands for; made when it is first asked for.
  Share& ShareOf(const void* owner);
  RouteTotals Take() const;

 private:
  struct Node {
    const void* owner;
    Node* next;
    Share share;
  };

  std::atomic<Node*> first_{nullptr};  // one for each thread; none goes away before this does
};

}  // namespace tlsbridge
