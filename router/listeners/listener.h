// A listening socket, and the loop's part in accepting from it.
//
// ListeningSocket is opened once and shared; each worker has an Acceptor on it. When descriptors
// or memory run out, accepting pauses and is tried again after a while: clients wait in the
// kernel's queue, and the loop does not spin. What is wrong with one client is no reason for others
// to wait.
//
// Thread: Open() on main's; an Acceptor on its worker's. Owner: the router owns sockets, workers
// own acceptors; a socket outlives its acceptors. Failure: Open() returns a Status that names the
// address and the reason.
#pragma once

#include <stdint.h>

#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "bridge/event/event_loop.h"
#include "bridge/event/fd_event.h"
#include "bridge/event/timer.h"
#include "bridge/socket_address.h"

namespace tlsbridge {

class ListeningSocket {
 public:
  // A UNIX path on which nobody listens any more is replaced. Accepted sockets inherit the default
  // TcpOptions. `overlapping` are sockets of ours that are about to close, and whose addresses this
  // one's may contain or be contained in; they accept until then.
  static absl::StatusOr<std::unique_ptr<ListeningSocket>> Open(
      const SocketAddress& address, absl::Span<ListeningSocket* const> overlapping = {});
  // One that somebody else has bound. Its path stays when it closes; if it `inherits_path`, until
  // TakePath().
  static std::unique_ptr<ListeningSocket> Adopt(int fd, bool inherits_path = false);
  ~ListeningSocket();
  ListeningSocket(const ListeningSocket&) = delete;
  ListeningSocket& operator=(const ListeningSocket&) = delete;

  // From now on clients are refused. The address stays known.
  void Close();
  // Whether a UNIX path goes with the socket.
  bool owns_path() const { return owns_path_; }
  void TakePath() { owns_path_ = owns_path_ || inherits_path_; }
  void LeavePath() { owns_path_ = inherits_path_ = false; }

  // It is a socket unit's, which keeps it, whatever becomes of this process.
  void SetOfUnit() { of_unit_ = true; }
  bool of_unit() const { return of_unit_; }

  int fd() const { return fd_; }
  const SocketAddress& address() const { return address_; }  // with the port that the kernel gave

 private:
  // Which file a UNIX path names.
  struct FileId {
    uint64_t device = 0;
    uint64_t inode = 0;
    bool operator==(const FileId&) const = default;
  };

  ListeningSocket(int fd, const SocketAddress& address, bool owns_path, bool inherits_path);
  FileId FileAtPath() const;

  int fd_;
  const SocketAddress address_;
  const FileId file_;  // what the path named when the socket was bound to it, or adopted
  bool owns_path_;
  bool inherits_path_;
  bool of_unit_ = false;
};

class Acceptor {
 public:
  using OnAccept = absl::AnyInvocable<void(int fd, const SocketAddress& peer)>;

  // Accepts nobody before Start() or StartOrRetry().
  Acceptor(EventLoop* loop, const ListeningSocket* socket, OnAccept on_accept);

  // Before the loop runs. Failure: says what to mend.
  absl::Status Start();
  // Where the system lets nobody watch the socket now, that is a pause like another.
  void StartOrRetry();

  // Accepts nobody until it is started again.
  void Stop();

  // Takes in whoever has queued so far. For the last look before the listener closes.
  void AcceptAll();

  // Paused because the system has no more descriptors, memory or epoll watches.
  bool paused() const { return resume_timer_.armed(); }

 private:
  void OnReadable();
  bool AcceptSome(int most);
  void Pause(int error);
  void Resumed();

  const ListeningSocket* const socket_;  // Not owned.
  OnAccept on_accept_;
  EventLoop* const loop_;  // Not owned.
  absl::Time last_came_;   // as if at first, since many may have queued until now
  absl::Time paused_since_ = absl::InfiniteFuture();
  Timer resume_timer_;
  FdEvent readable_;
};

}  // namespace tlsbridge
