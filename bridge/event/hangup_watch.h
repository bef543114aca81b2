// Hears of descriptors whose reading is paused that their peer has reset them, or that they failed
// otherwise.
//
// A paused descriptor must leave libevent's set: bytes that it is not to read would keep it ready.
// So it stands in a second set, of which the loop sees one descriptor, and which tells of errors
// and hangups only, each once (EPOLLET without any other event); bytes and FIN wake nobody.
// libevent's own EV_CLOSED does not serve: it maps EPOLLERR to reading and writing, so that an
// event for EV_CLOSED alone never fires, and the level spins.
//
// Most pauses are the last of their connection, which ends within milliseconds: a watch begins
// kSettle later, for those that still live. It would be a thirtieth of a short connection's cost
// (tools/bench, resumed handshakes).
//
// Thread: the loop's. Owner: the loop. Failure: Create() returns a Status where the system gives no
// descriptor; OnUnwatched() tells of one that cannot be watched.
#pragma once

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "bridge/event/fd_event.h"
#include "bridge/event/timer.h"

namespace tlsbridge {

class HangupWatch {
 public:
  class Listener {
   public:
    virtual void OnHangup() = 0;
    // It will not be told of a hangup: the kernel refuses, with this errno.
    virtual void OnUnwatched(int error) = 0;

   protected:
    ~Listener() = default;

   private:
    friend class HangupWatch;
    int place_ = -1;  // among those that wait
  };

  static absl::StatusOr<std::unique_ptr<HangupWatch>> Create(EventLoop* loop);
  HangupWatch(const HangupWatch&) = delete;
  HangupWatch& operator=(const HangupWatch&) = delete;
  ~HangupWatch();

  static constexpr absl::Duration kSettle = absl::Milliseconds(100);

  // Watches `fd` from kSettle later on, until it is closed. `listener` lives as long. At most once.
  void Add(int fd, Listener* listener);
  // Before `fd` is closed. The kernel ends a watch that has begun by itself.
  void Remove(Listener* listener);

 private:
  HangupWatch(EventLoop* loop, int epoll_fd);

  struct Waiting {
    int fd;
    Listener* listener;  // Not owned.
  };

  void OnReady();
  void WatchThoseWhoWait();

  const int epoll_fd_;
  FdEvent event_;
  std::vector<Waiting> waiting_;
  Timer settled_;
};

}  // namespace tlsbridge
