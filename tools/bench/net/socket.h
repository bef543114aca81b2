// A non-blocking TCP socket whose results are verdicts instead of errno.
//
// Used with an edge-triggered poller: the socket remembers that a short read has emptied the
// kernel's buffer, which saves the recv() that would only answer EAGAIN.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "tools/bench/net/address.h"
#include "tools/bench/net/unique_fd.h"

namespace tlsbridge::bench {

enum class IoStatus {
  kOk,
  kBlocked,
  kEnd,        // The peer ended its direction in order.
  kTruncated,  // TLS only: FIN without close_notify.
  kReset,      // ECONNRESET or EPIPE.
  kFailed,
};

struct IoResult {
  IoStatus verdict;
  size_t bytes = 0;
};

class Socket {
 public:
  Socket() = default;
  explicit Socket(UniqueFd fd) : fd_(std::move(fd)) {}

  // With kNagle a small write waits until the one before it is acknowledged, as it does in a
  // program that does not set TCP_NODELAY.
  enum class Small { kAtOnce, kNagle };
  // Starts to connect; the first readiness event says that it has ended, then ask ConnectError().
  static absl::StatusOr<Socket> Dial(const Address& address, Small writes = Small::kAtOnce);
  // Listens with the longest backlog that the kernel grants.
  static absl::StatusOr<Socket> Listen(const Address& address);
  // An invalid socket when no connection waits.
  Socket Accept() const;

  int fd() const { return fd_.get(); }
  bool valid() const { return fd_.valid(); }
  // The errno with which connecting ended, 0 when connected.
  int ConnectError() const;
  void Close() { fd_.Reset(); }

  // To be called with every readiness event, before Receive().
  void MarkReady(uint32_t epoll_events);
  IoResult Receive(absl::Span<char> into);
  IoResult Send(absl::string_view bytes);
  // Sends FIN; the other direction stays open.
  void ShutdownWrite();

 private:
  UniqueFd fd_;
  bool drained_ = false;
  bool peer_gone_ = false;
};

}  // namespace tlsbridge::bench
