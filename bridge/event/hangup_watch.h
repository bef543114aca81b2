// Hears of descriptors whose reading is paused that their peer has reset them, or that they failed
// otherwise.
//
// A paused descriptor must leave libevent's set: bytes that it is not to read would keep it ready.
// So it stands in a second set, of which the loop sees one descriptor, and which tells of errors
// and hangups only, each once (EPOLLET without any other event); bytes and FIN wake nobody.
// libevent's own EV_CLOSED does not serve: it maps EPOLLERR to reading and writing, so that an
// event for EV_CLOSED alone never fires, and the level spins.
//
// Thread: the loop's. Owner: the loop. Failure: Create() returns a Status where the system gives no
// descriptor; Add() an errno.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "bridge/event/fd_event.h"

namespace tlsbridge {

class HangupWatch {
 public:
  class Listener {
   public:
    virtual void OnHangup() = 0;

   protected:
    ~Listener() = default;
  };

  static absl::StatusOr<std::unique_ptr<HangupWatch>> Create(EventLoop* loop);
  HangupWatch(const HangupWatch&) = delete;
  HangupWatch& operator=(const HangupWatch&) = delete;
  ~HangupWatch();

  // Watches `fd` until it is closed, which ends the watch by itself. `listener` lives as long.
  // 0, or an errno.
  [[nodiscard]] int Add(int fd, Listener* listener);

 private:
  HangupWatch(EventLoop* loop, int epoll_fd);

  void OnReady();

  const int epoll_fd_;
  FdEvent event_;
};

}  // namespace tlsbridge
