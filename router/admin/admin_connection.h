// One client of the admin server: one request, one answer, and the end.
//
// Whatever the client does, it is over within the sum of the times below, and holds no more than
// the head of a request and one answer.
//
// Thread: the control loop's. Owner: the AdminServer, which outlives it, as does the loop.
// Failure: none; a client that misbehaves is disconnected.
#pragma once

#include <stdint.h>

#include <memory>

#include "absl/time/time.h"
#include "bridge/event/event_loop.h"
#include "bridge/event/libevent_ptr.h"
#include "bridge/event/timer.h"
#include "router/admin/http.h"

namespace tlsbridge {

class AdminConnection final : public DeferredDeletable {
 public:
  // From the first byte of a request to the last of its head; then for the answer to be had; then
  // for the client to take it; then for it to close.
  static constexpr absl::Duration kRequestTime = absl::Seconds(5);
  static constexpr absl::Duration kThinkTime = absl::Seconds(5);
  static constexpr absl::Duration kAnswerTime = absl::Seconds(10);
  static constexpr absl::Duration kLingerTime = absl::Seconds(1);

  class Owner {
   public:
    // Calls connection.Answer(), now or later.
    virtual void OnRequest(const HttpRequest& request, AdminConnection& connection) = 0;
    // The descriptor is closed. The last call.
    virtual void OnClosed(AdminConnection& connection) = 0;

   protected:
    ~Owner() = default;
  };

  // Takes over `fd`, and does nothing before Start(). `id` is for the owner.
  AdminConnection(EventLoop* loop, int fd, uint64_t id, Owner* owner);
  AdminConnection(const AdminConnection&) = delete;
  AdminConnection& operator=(const AdminConnection&) = delete;
  ~AdminConnection() override;

  // Listens to the client. Closes, which may be before this returns, if the system refuses to watch
  // over the descriptor.
  void Start();

  // The answer comes, however long that takes.
  void ThinkAsLongAsItTakes() { deadline_.Cancel(); }
  // What it asked for. The second answer, or one that comes too late, does nothing.
  void Answer(const HttpAnswer& answer);
  // Ends it at once.
  void Close();

  uint64_t id() const { return id_; }
  bool is_unix() const;
  // Whether its client is on this machine.
  bool is_local() const;
  size_t queued_bytes() const;

 private:
  enum class State { kRequest, kAsked, kAnswer, kLinger, kClosed };

  static void OnRead(bufferevent* bev, void* self);
  static void OnWritten(bufferevent* bev, void* self);
  static void OnEvent(bufferevent* bev, short what, void* self);

  void TakeRequest();
  void ReadOn();
  void OnDeadline();
  void Linger();

  Owner* const owner_;  // Not owned.
  const int fd_;
  const uint64_t id_;
  bool head_only_ = false;
  State state_ = State::kRequest;
  BuffereventPtr bufferevent_;
  Timer deadline_;
};

}  // namespace tlsbridge
