// System calls that fail as they do where other processes have used up what a user may have, or
// where a firewall forbids a client.
//
// Thread: any. Owner: the test; one of each at a time. Failure: none.
#pragma once

namespace tlsbridge::testing {

// While it lives, epoll watches no further descriptor (ENOSPC, epoll(7)).
class NoWatches {
 public:
  NoWatches();
  NoWatches(const NoWatches&) = delete;
  NoWatches& operator=(const NoWatches&) = delete;
  ~NoWatches();
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
