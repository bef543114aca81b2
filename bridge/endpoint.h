// One side of a bridge: its socket, its TLS session if it speaks TLS, and the protocol by which it
// ends.
//
// It moves bytes and tells its owner; it decides nothing. A socket can end in the ways of Ending;
// which of them is due is told to it.
//
// Thread: the worker's. Owner: the bridge, which is called back and must destroy it only after
// OnClosed, or outside every callback. The loop and the memory outlive it. Failure: by return value
// (an errno) or Owner::OnHangup and OnWriteError; never both for one event.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <memory>
#include <utility>

#include "absl/types/span.h"
#include "bridge/buffered_socket.h"
#include "bridge/ending.h"
#include "bridge/event/event_loop.h"
#include "bridge/read.h"
#include "bridge/tls_framing.h"
#include "bridge/worker_memory.h"
#include "tls/session.h"

namespace tlsbridge {

class Endpoint final : public DeferredDeletable, private BufferedSocket::Owner {
 public:
  class Owner {
   public:
    virtual void OnReadable(Endpoint& endpoint) = 0;
    // The queue has fallen to kLowMark or below.
    virtual void OnDrained(Endpoint& endpoint) = 0;
    // It takes no more of what is queued; bytes that came before may still be read.
    virtual void OnWriteError(Endpoint& endpoint, int error) = 0;
    // The same, heard while its reading was paused; or the kernel refuses to tell of it.
    virtual void OnHangup(Endpoint& endpoint, int error) = 0;
    // The descriptor is closed. The last call.
    virtual void OnClosed(Endpoint& endpoint) = 0;

   protected:
    ~Owner() = default;
  };

  // Why reading is paused: a set, so that a dump can say who holds what.
  enum Pause : uint8_t {
    kOtherSideFull = 1,  // the other side's queue is over its mark
    kStreamEnded = 2,    // nothing more can come, or is wanted
    kAwaitsTurn = 4,     // its handshake waits for those before it
  };

  // A queue is bounded: at the high mark the other side's reads pause, at half of it they go on. A
  // stalled peer then holds one 64 KiB chunk. What comes out of TLS comes in whole records: three,
  // and perhaps one more. What does not comes byte by byte, and may fill the chunk but for the
  // least that is read and for the overhead of our own records.
  static constexpr size_t kHighMark = 48 * 1024;
  static constexpr size_t kHighMarkOfBytes = 56 * 1024;
  static constexpr size_t kLowMark = kHighMark / 2;

  // Takes over the connected `fd`; error() says if it cannot be used.
  Endpoint(Side side, int fd, Owner* owner, EventLoop* loop, WorkerMemory* memory);
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;
  ~Endpoint() override;

  int error() const { return socket_.error(); }

  // From now on the socket carries `tls`'s records.
  void StartTls(std::unique_ptr<tls::Session> tls) { tls_.Begin(std::move(tls)); }
  // Sends what our end of the handshake has to say first. kTlsFailed, kFailed, or else kDrained.
  Read BeginHandshake();

  // Reads `limit` bytes of the socket at most, or a few KiB if that is less. With a session: what
  // they stand for; its answer is sent.
  Read ReadSome(size_t limit);
  // Moves what has come to `to` without looking at it. REQUIRES: no session at either, and nothing
  // queued at `to`, which takes more.
  SplicePipe::Moved MoveTo(Endpoint* to, size_t limit);
  // What ReadSome() does for `ciphertext` that was read before the session was there, or for what
  // the session has kept until it was signed for.
  Read DecryptAndAnswer(const Read& ciphertext);

  // Sends or queues `plaintext`. 0, or the errno with which the socket failed; with EPROTO the
  // session has (tls_failed()).
  [[nodiscard]] int Write(absl::Span<const uint8_t> plaintext);
  bool tls_failed() const { return tls_failed_; }

  // After the last Write: close_notify where TLS is spoken, and FIN behind the last queued byte. If
  // it is to be closed at once, that makes its FIN; else SendFin() is due.
  enum class Fin : uint8_t { kNow, kByClosing };
  [[nodiscard]] int FinishWriting(Fin fin = Fin::kNow);
  void SendFin();
  bool writing_finished() const { return writing_ == Writing::kFinished; }
  // FinishWriting() has been called: nothing more may be written.
  bool takes_no_more() const { return writing_ != Writing::kOpen; }
  // The peer has gone, having said goodbye: nothing is owed to it, and nothing more can come.
  void LetGo();
  // Its close_notify has come, and by the protocol's version ends our stream, too.
  bool MustAnswerCloseNotify() const { return tls_.MustAnswerCloseNotify(); }

  void PauseReading(Pause why);
  // 0, or the errno with which the kernel refuses to watch over the socket.
  [[nodiscard]] int ResumeReading(Pause why);
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

  size_t queued_bytes() const { return socket_.queued_bytes(); }
  // The same with what the kernel has taken and the peer's kernel has not; none once the socket has
  // failed, which delivers nothing more.
  size_t undelivered_bytes() const {
    return failed_ ? 0 : queued_bytes() + socket_.unacknowledged_bytes();
  }
  // Of what comes from here, how much the other side may queue.
  size_t mark_for_other() const { return tls_.active() ? kHighMark : kHighMarkOfBytes; }
  bool closed() const { return state_ == State::kClosed; }
  bool peer_finished() const { return peer_finished_; }
  // Asks the kernel, since FIN is not heard while reading is paused: FIN or RST has come. `error`
  // is the errno, if any.
  bool PeerHasLeft(int* error) const { return peer_finished_ || socket_.PeerHasLeft(error); }
  Side side() const { return side_; }
  int fd() const { return socket_.fd(); }
  tls::Session* tls() { return tls_.session(); }
  const tls::Session* tls() const { return tls_.session(); }
  // Bytes that were queued when the socket was closed by force.
  size_t dropped_bytes() const { return dropped_bytes_; }

 private:
  enum class State : uint8_t { kOpen, kClosing, kClosed };
  enum class Writing : uint8_t { kOpen, kFinishing, kFinished };

  void OnReadable() override;
  void OnDrained() override;
  void OnWriteFailed(int error) override;
  void OnHangup(int error) override;

  int Transmit(absl::Span<const uint8_t> bytes, bool fin_follows = false);
  int SayGoodbye(Ending ending);
  void ShutWriteIfDrained();
  void Discard();
  void Destroy(bool reset);

  WorkerMemory* const memory_;  // Not owned.
  Owner* const owner_;          // Not owned.
  BufferedSocket socket_;
  TlsFraming tls_;
  size_t dropped_bytes_ = 0;
  const Side side_;
  State state_ = State::kOpen;
  Writing writing_ = Writing::kOpen;
  Ending ending_ = Ending::kGraceful;
  uint8_t pauses_ = 0;
  bool peer_finished_ = false;  // its FIN has been read
  bool fin_due_ = false;        // SendFin(), or closing
  bool failed_ = false;         // the socket is dead; nothing can be sent
  bool tls_failed_ = false;     // nothing can be encrypted
};

}  // namespace tlsbridge
