// The process whose place this one takes, as this one sees it: takes over what it sends, says when
// it is ready, and goes on when it is told to.
//
// If the other one is gone by then, nobody serves any more but this one, which then does.
//
// Thread: main's before the loop runs, which it blocks for as long as the state is on its way; then
// the control loop's. Owner: the router. The loop outlives it. Failure: a Status; whoever fails
// after FromEnvironment() says so by Refuse() and ends.
#pragma once

#include <memory>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "bridge/event/event_loop.h"
#include "bridge/event/fd_event.h"
#include "router/handover/channel.h"
#include "router/handover/state.h"

namespace tlsbridge {

class Predecessor {
 public:
  // Null if nobody has started this process to take its place. The state's sockets are put into
  // `sockets`. REQUIRES: there is no other thread yet.
  static absl::StatusOr<std::unique_ptr<Predecessor>> FromEnvironment(InheritedSockets* sockets);
  ~Predecessor();
  Predecessor(const Predecessor&) = delete;
  Predecessor& operator=(const Predecessor&) = delete;

  // Process descriptors of state().draining that have one, in their order; the caller's.
  std::vector<int> TakeProcesses() { return std::exchange(processes_, {}); }
  // Those of state().kernel, if it has one: the table's, and that of news; the caller's.
  std::vector<int> TakeKernel() { return std::exchange(kernel_, {}); }
  const HandoverState& state() const { return state_; }

  // The same, where nothing has been taken from the environment yet; nothing if nobody waits.
  static void RefuseFromEnvironment(absl::string_view why);
  // Why this process cannot take its place.
  void Refuse(const absl::Status& why);
  // It could serve, and has `taken` these sockets. `on_go` runs once, in a later turn: it is its
  // turn now. Failure: it cannot be heard.
  absl::Status Ready(EventLoop* loop, const std::vector<bool>& taken,
                     absl::AnyInvocable<void()> on_go);
  // What it knew when it stopped; empty if that is nothing, or it went before it could say so.
  // From on_go on.
  absl::Span<const uint8_t> last_words() const {
    return has_last_words_ ? last_words_.state().span() : absl::Span<const uint8_t>();
  }
  // It does serve.
  void Serving();

 private:
  explicit Predecessor(int fd) : channel_(std::make_unique<Channel>(fd)) {}
  absl::Status Receive(InheritedSockets* sockets);
  void OnReadable();

  std::unique_ptr<Channel> channel_;  // null once all is said
  HandoverState state_;
  std::vector<int> processes_;
  std::vector<int> kernel_;
  StateReceiver last_words_;
  bool has_last_words_ = false;  // all of them
  std::unique_ptr<FdEvent> readable_;
  absl::AnyInvocable<void()> on_go_;
};

}  // namespace tlsbridge
