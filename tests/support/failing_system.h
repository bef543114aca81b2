// System calls that fail as they do where other processes have used up what a user may have, or
// where a firewall forbids a client.
//
// Thread: any. Owner: the test; one of each at a time. Failure: none.
#pragma once

#include <limits>

namespace tlsbridge::testing {

// While it lives, epoll watches no further descriptor (ENOSPC, epoll(7)); or it refuses as many as
// are told, and then somebody has given back what was missing.
class NoWatches {
 public:
  explicit NoWatches(int refusals = std::numeric_limits<int>::max());
  NoWatches(const NoWatches&) = delete;
  NoWatches& operator=(const NoWatches&) = delete;
  ~NoWatches();

  // How often it has refused.
  int refused() const;

 private:
  const int refusals_;
};

// While it lives, accept4() takes each client from the queue, closes it and fails with `error`.
class NoAccepting {
 public:
  explicit NoAccepting(int error);
  NoAccepting(const NoAccepting&) = delete;
  NoAccepting& operator=(const NoAccepting&) = delete;
  ~NoAccepting();
};

// While it lives, connect() fails with `error`.
class NoConnecting {
 public:
  explicit NoConnecting(int error);
  NoConnecting(const NoConnecting&) = delete;
  NoConnecting& operator=(const NoConnecting&) = delete;
  ~NoConnecting();
};

}  // namespace tlsbridge::testing
