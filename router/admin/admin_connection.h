// One client of the admin server: one request, one answer, and the end.
//
// Whatever the client does, it is over within kRequestTime + kAnswerTime + kLingerTime, and holds
// no more than the head of a request and one answer.
//
// Thread: the control loop's. Owner: the AdminServer, which outlives it, as does the loop.
// Failure: none; a client that misbehaves is disconnected.
#pragma once

#include <memory>

#include "absl/time/time.h"
#include "bridge/event/event_loop.h"
#include "bridge/event/libevent_ptr.h"
#include "bridge/event/timer.h"
#include "router/admin/http.h"

namespace tlsbridge {

class AdminConnection final : public DeferredDeletable {
 public:
  // From the first byte of a request to the last of its head; then for the client to take the
  // answer; then for it to close.
  static constexpr absl::Duration kRequestTime = absl::Seconds(5);
  static constexpr absl::Duration kAnswerTime = absl::Seconds(10);
  static constexpr absl::Duration kLingerTime = absl::Seconds(1);

  class Owner {
   public:
    virtual HttpAnswer Answer(const HttpRequest& request) = 0;
    // The descriptor is closed. The last call.
    virtual void OnClosed(AdminConnection& connection) = 0;

   protected:
    ~Owner() = default;
  };

  // Takes over `fd`.
  AdminConnection(EventLoop* loop, int fd, Owner* owner);
  AdminConnection(const AdminConnection&) = delete;
  AdminConnection& operator=(const AdminConnection&) = delete;
  ~AdminConnection() override;

  // Ends it at once.
  void Close();

  size_t queued_bytes() const;

 private:
  enum class State { kRequest, kAnswer, kLinger, kClosed };

  static void OnRead(bufferevent* bev, void* self);
  static void OnWritten(bufferevent* bev, void* self);
  static void OnEvent(bufferevent* bev, short what, void* self);

  void TakeRequest();
  void Linger();

  Owner* const owner_;  // Not owned.
  const int fd_;
  State state_ = State::kRequest;
  BuffereventPtr bufferevent_;
  Timer deadline_;
};

}  // namespace tlsbridge
