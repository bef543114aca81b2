// One end of the socketpair between the two processes: datagrams with descriptors beside them.
//
// Thread: one. Owner: Handover or Predecessor; closes its end. Failure: a Status; Unavailable where
// nothing can be had or sent now, OutOfRange where the other end is closed.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "router/handover/packet.h"

namespace tlsbridge {

class Channel {
 public:
  explicit Channel(int fd) : fd_(fd), buffer_(kMostBytes + 64) {}
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  int fd() const { return fd_; }

  // The descriptors stay the caller's.
  absl::Status Send(const Packet& packet, absl::Span<const int> descriptors = {});

  struct Received {
    Packet packet;                 // valid until the next call
    std::vector<int> descriptors;  // the caller's; CLOEXEC
  };
  absl::StatusOr<Received> Receive();

 private:
  const int fd_;
  SecretBytes buffer_;
};

// Sends a state piece by piece, as fast as the other end takes it.
class StateSender {
 public:
  StateSender(SecretBytes state, std::vector<int> descriptors)
      : state_(std::move(state)), descriptors_(std::move(descriptors)) {}

  // OK: all of it is sent. Unavailable: again once the channel is writable.
  absl::Status Send(Channel* channel);

 private:
  const SecretBytes state_;
  const std::vector<int> descriptors_;  // Not owned.
  bool begun_ = false;
  size_t bytes_sent_ = 0;
  size_t descriptors_sent_ = 0;
};

// Puts together what such a one sends.
class StateReceiver {
 public:
  ~StateReceiver();

  // Takes the descriptors. True once there is no more to come.
  absl::StatusOr<bool> Take(Channel::Received received);

  const SecretBytes& state() const { return state_; }
  // The caller's from now on.
  std::vector<int> TakeDescriptors() { return std::exchange(descriptors_, {}); }

 private:
  bool begun_ = false;
  size_t bytes_ = 0;
  size_t descriptor_count_ = 0;
  SecretBytes state_;
  std::vector<int> descriptors_;
};

}  // namespace tlsbridge
