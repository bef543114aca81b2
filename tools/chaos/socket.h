// A non-blocking TCP socket that knows the ways to leave, and tells FIN from RST.
//
// Thread: one. A movable value that owns its descriptor. Failure: noted in peer_end().
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tools/bench/net/address.h"
#include "tools/bench/net/unique_fd.h"

namespace tlsbridge::chaos {

// How the peer's stream ended.
enum class PeerEnd : unsigned char { kOpen, kFin, kReset };
absl::string_view PeerEndName(PeerEnd end);

class Socket {
 public:
  Socket() = default;
  explicit Socket(bench::UniqueFd fd);

  // Begins to connect, or is refused later. `buffer_bytes` of the kernel each way; 0: its default.
  static absl::StatusOr<Socket> Dial(const bench::Address& address, int buffer_bytes);
  // `backlog` of -1 only binds: the port is taken, and refuses.
  static absl::StatusOr<Socket> Listen(int backlog, int receive_buffer_bytes);
  // An invalid socket when nobody waits.
  Socket Accept() const;

  bool valid() const { return fd_.valid(); }
  int fd() const { return fd_.get(); }
  bench::Address LocalAddress() const { return bench::Address::OfSocket(fd()); }
  void ShrinkSendBuffer(int bytes);
  // -1 while it is connecting, 0 when connected, else the errno.
  int ConnectResult() const;

  // Appends what is there, about `limit` bytes at most. True if there may be more.
  bool Receive(std::string* into, size_t limit);
  // How many bytes the kernel took.
  size_t Send(absl::string_view bytes);

  void Fin();
  void Close() { fd_.Reset(); }
  void Reset();

  PeerEnd peer_end() const { return peer_end_; }
  // Nothing can be sent any more.
  bool broken() const { return broken_; }

 private:
  bench::UniqueFd fd_;
  PeerEnd peer_end_ = PeerEnd::kOpen;
  bool broken_ = false;
  bool reset_seen_ = false;
};

}  // namespace tlsbridge::chaos
