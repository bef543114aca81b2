// One side of a bridge: a socket carried by a bufferevent and, where that side speaks TLS, its
// session.
//
// It moves bytes and tells its owner; it decides nothing. The bufferevent tells when something can
// be read; reads go straight from the socket into the worker's staging memory. Writes go straight
// to the socket while nothing is queued; only what the socket does not take is queued on the
// bufferevent.
//
// Thread: the worker's. Owner: the bridge, which is called back and must destroy it only after
// OnClosed, or outside every callback. The loop and the staging outlive it. Failure: by return
// value (an errno) or Owner::OnError and OnWriteError; never both for one event.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/types/span.h"
#include "bridge/ending.h"
#include "bridge/event/event_loop.h"
#include "bridge/live_counters.h"
#include "bridge/socket_address.h"
#include "bridge/worker_memory.h"
#include "tls/session.h"

namespace tlsbridge {

class Endpoint final : public DeferredDeletable {
 public:
  class Owner {
   public:
    virtual void OnConnected(Endpoint& endpoint) = 0;
    virtual void OnReadable(Endpoint& endpoint) = 0;
    // The queue has fallen to kLowMark or below.
    virtual void OnDrained(Endpoint& endpoint) = 0;
    // The socket failed; `error` is its errno. The endpoint is open until it is closed.
    virtual void OnError(Endpoint& endpoint, int error) = 0;
    // It takes no more of what is queued; bytes that came before may still be read.
    virtual void OnWriteError(Endpoint& endpoint, int error) = 0;
    // The descriptor is closed. The last call.
    virtual void OnClosed(Endpoint& endpoint) = 0;

   protected:
    ~Owner() = default;
  };

  // Why reading is paused: a set, so that a dump can say who holds what.
  enum Pause : uint8_t {
    kOtherSideFull = 1,  // the other side's queue is over its mark
    kStreamEnded = 2,    // nothing more can come
    kNotStarted = 4,     // still connecting
    kAwaitsTurn = 8,     // its handshake waits for those before it
  };

  enum class Outcome : uint8_t {
    kDrained,    // the socket has no more for now
    kMore,       // it may have more
    kEnded,      // the peer's stream is complete: FIN, or close_notify
    kTruncated,  // FIN without close_notify
    kFailed,     // the socket failed; Read::error
    kTlsFailed,  // the session failed; tls()->failure()
  };

  struct Read {
    absl::Span<const uint8_t> plaintext;  // valid until the next read on this worker
    Outcome outcome = Outcome::kDrained;
    int error = 0;
  };

  // A queue is bounded: at the high mark the other side's reads pause, at half of it they go on. A
  // stalled peer then holds one 64 KiB chunk. What comes out of TLS comes in whole records: three,
  // and perhaps one more. What does not comes byte by byte, and may fill the chunk but for the
  // least that is read and for the overhead of our own records.
  static constexpr size_t kHighMark = 48 * 1024;
  static constexpr size_t kHighMarkOfBytes = 56 * 1024;
  static constexpr size_t kLowMark = kHighMark / 2;

  // Takes over the connected `fd`.
  Endpoint(Side side, int fd, Owner* owner, EventLoop* loop, WorkerMemory* memory);
  // Takes over `fd`, whose connect() is under way; OnConnected or OnError follows in a later turn.
  struct Connecting {};
  Endpoint(Connecting, Side side, int fd, Owner* owner, EventLoop* loop, WorkerMemory* memory);

  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;
  ~Endpoint() override;

  // From now on the socket carries `tls`'s records.
  void StartTls(std::unique_ptr<tls::Session> tls) { tls_ = std::move(tls); }
  // Sends what our end of the handshake has to say first. 0, or the errno of the socket.
  int BeginHandshake();

  // Reads `limit` bytes of the socket at most, or a few KiB if that is less.
  Read ReadSome(size_t limit);
  // What the session makes of `ciphertext`, which was read before it was there, or of what it has
  // kept until it was signed for; `outcome` is that of the last read.
  Read Decrypt(absl::Span<const uint8_t> ciphertext, Outcome outcome, int error);

  // Sends or queues `plaintext`. 0, or the errno with which the socket failed.
  int Write(absl::Span<const uint8_t> plaintext);

  // After the last Write: close_notify where TLS is spoken, and FIN behind the last queued byte.
  int FinishWriting();
  bool writing_finished() const { return writing_ == Writing::kFinished; }

  void PauseReading(Pause why);
  void ResumeReading(Pause why);
  uint8_t pauses() const { return pauses_; }

  // Begins to end the socket; OnClosed follows, perhaps before this returns. At most once.
  void CleanupSocket(Ending ending);
  // The grace is over: closes, with RST if bytes are still queued.
  void ForceClose();
  // Goes on with a close that waits for the peer's kernel. For the owner's timer.
  void ContinueClosing();
  bool needs_another_look() const {
    return state_ == State::kClosing && ending_ == Ending::kFlushReset;
  }
  // Takes what is queued, for another backend. REQUIRES: not yet connected.
  std::string TakeQueue();

  size_t queued_bytes() const;
  // The same with what the kernel has taken and the peer's kernel has not.
  size_t undelivered_bytes() const;
  // Of what comes from here, how much the other side may queue.
  size_t mark_for_other() const { return tls_ == nullptr ? kHighMarkOfBytes : kHighMark; }
  bool connected() const { return state_ == State::kOpen || state_ == State::kClosing; }
  bool closed() const { return state_ == State::kClosed; }
  bool peer_finished() const { return peer_finished_; }
  // Asks the kernel, since a paused endpoint does not hear of it: FIN or RST has come. `error` is
  // the errno, if any.
  bool PeerHasLeft(int* error) const;
  Side side() const { return side_; }
  int fd() const { return fd_; }
  tls::Session* tls() { return tls_.get(); }
  const tls::Session* tls() const { return tls_.get(); }
  // Bytes that were queued when the socket was closed by force.
  size_t dropped_bytes() const { return dropped_bytes_; }

 private:
  enum class State : uint8_t { kConnecting, kOpen, kClosing, kClosed };
  enum class Writing : uint8_t { kOpen, kFinishing, kFinished };

  static void OnReadable(int fd, short what, void* bev);
  static void OnWritten(bufferevent* bev, void* self);
  static void OnEvent(bufferevent* bev, short what, void* self);

  void Attach();
  void ReadByOurselves();
  Read ReadSocket(size_t limit);
  int Failed(int error);
  int Transmit(absl::Span<const uint8_t> bytes, bool fin_follows = false);
  int TransmitRecords(bool fin_follows = false);
  void ShutWriteIfDrained();
  void Discard();
  void Destroy(bool reset);

  EventLoop* const loop_;       // Not owned.
  WorkerMemory* const memory_;  // Not owned.
  Owner* const owner_;          // Not owned.
  BuffereventPtr bufferevent_;
  std::unique_ptr<tls::Session> tls_;
  LiveCount live_socket_;
  size_t dropped_bytes_ = 0;
  int fd_;
  const Side side_;
  State state_;
  Writing writing_ = Writing::kOpen;
  Ending ending_ = Ending::kGraceful;
  uint8_t pauses_ = 0;
  bool peer_finished_ = false;  // its FIN has been read
  bool failed_ = false;         // the socket is dead; nothing can be sent
};

}  // namespace tlsbridge
