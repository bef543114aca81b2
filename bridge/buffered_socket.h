// A connected descriptor on a bufferevent: the one place that knows libevent's ways.
//
// It is readable, takes bytes, and tells when its queue has drained or it has failed. Reads go
// straight from the socket into the caller's memory. Writes go straight to the socket while nothing
// is queued; only what the socket does not take is queued on the bufferevent. While reading is
// stopped, errors and hangups are heard all the same, a little later (HangupWatch).
//
// Thread: the worker's. Owner: the endpoint, which is called back, and may close the socket in any
// call, but must not destroy it there. The loop and the counters outlive it. Failure: an errno by
// return value, or OnWriteFailed and OnHangup; never both for one event.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <vector>

#include "absl/types/span.h"
#include "bridge/event/event_loop.h"
#include "bridge/event/hangup_watch.h"
#include "bridge/live_counters.h"
#include "bridge/read.h"
#include "bridge/splice_pipe.h"

namespace tlsbridge {

class BufferedSocket final : private HangupWatch::Listener {
 public:
  class Owner {
   public:
    virtual void OnReadable() = 0;
    // The queue has fallen to half of a high mark, or below.
    virtual void OnDrained() = 0;
    // It takes no more of what is queued; bytes that came before may still be read.
    virtual void OnWriteFailed(int error) = 0;
    // The same, found while nothing is queued and, perhaps, nothing is read; or the kernel refuses
    // to tell of it (IsLocalError).
    virtual void OnHangup(int error) = 0;

   protected:
    ~Owner() = default;
  };

  // Takes over `fd`, and reads; unless error() says that it cannot. `low_mark`: see OnDrained.
  BufferedSocket(int fd, size_t low_mark, Owner* owner, EventLoop* loop, LiveCounters* live);
  BufferedSocket(const BufferedSocket&) = delete;
  BufferedSocket& operator=(const BufferedSocket&) = delete;
  ~BufferedSocket();

  // Why it cannot be used from the start: an errno; 0 if it can.
  int error() const { return error_; }

  // Reads `limit` bytes at most, as far as `room` goes; a few KiB if that is less.
  Read ReadInto(std::vector<uint8_t>* room, size_t limit);

  // Moves `limit` bytes at most of what has come to `to`, past this process's memory; what `to`
  // does not take at once is queued there. REQUIRES: nothing is queued there.
  SplicePipe::Moved MoveTo(BufferedSocket* to, SplicePipe* pipe, std::vector<uint8_t>* room,
                           size_t limit);

  // Sends or queues. `fin_follows`: so that FIN leaves in the same packet.
  [[nodiscard]] int Send(absl::Span<const uint8_t> bytes, bool fin_follows);

  // Errors are told of although reading is stopped.
  void StopReading();
  // Fails if the kernel does not take it back into the loop's set.
  [[nodiscard]] int StartReading();

  // FIN. REQUIRES: nothing is queued.
  void ShutWrite();
  // Closes the descriptor. `reset`: with RST. What is queued is lost.
  void Close(bool reset);

  size_t queued_bytes() const;
  // What the kernel has taken, and the peer's has not.
  size_t unacknowledged_bytes() const;
  // The loop has told that FIN has come, perhaps behind bytes that are yet to be read. It need not
  // tell.
  bool fin_heard() const { return fin_heard_; }
  // Asks the kernel whether FIN or RST has come. `error` is the errno, if any.
  bool PeerHasLeft(int* error) const;
  bool is_unix() const;
  bool closed() const { return bufferevent_ == nullptr; }
  int fd() const { return fd_; }

 private:
  static void OnReadable(int fd, short what, void* bev);
  static void OnWritten(bufferevent* bev, void* self);
  static void OnEvent(bufferevent* bev, short what, void* self);
  int Queue(absl::Span<const uint8_t> bytes);
  void OnHangup() override;
  void OnUnwatched(int error) override { owner_->OnHangup(error); }

  EventLoop* const loop_;  // Not owned.
  Owner* const owner_;     // Not owned.
  BuffereventPtr bufferevent_;
  const LiveCount live_;
  const int fd_;
  int error_ = 0;
  bool watched_ = false;
  bool fin_heard_ = false;
};

}  // namespace tlsbridge
