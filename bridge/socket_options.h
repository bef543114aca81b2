// How the kernel watches over a TCP connection that says nothing.
//
// Thread: any. Failure: ignored; a socket without an option still works, and its own errors follow.
#pragma once

#include "absl/time/time.h"

namespace tlsbridge {

struct TcpOptions {
  // First keepalive probe after this much silence, then one each interval; the connection is given
  // up after `keepalive_probes` of them, or, where `user_timeout` is set, after that long: Linux
  // then does not count probes (tcp(7)). Zero: no keepalive.
  absl::Duration keepalive_idle = absl::Seconds(60);
  absl::Duration keepalive_interval = absl::Seconds(15);
  int keepalive_probes = 4;
  // How long sent bytes may stay unacknowledged (RFC 5482). Linux counts a peer whose window stays
  // closed for that long as dead too, so this is also the longest that a live reader may stall.
  // Zero: the kernel's own 15 minutes or so, and no end to a stall.
  absl::Duration user_timeout = absl::Minutes(10);

  bool operator==(const TcpOptions&) const = default;
};

// Also TCP_NODELAY: Nagle's algorithm holds a small answer back for 40 ms. Accepted sockets inherit
// all of these from their listener, which costs no call a connection.
void ApplyTcpOptions(int fd, const TcpOptions& options);

// The same on a socket that has `before`: a call for each option that differs, none at all for
// those that are the same.
void ChangeTcpOptions(int fd, const TcpOptions& before, const TcpOptions& options);

// Once one direction has ended: connection tracking forgets a half-closed connection after 60 s
// (nf_conntrack_tcp_timeout_close_wait), so that probes must come sooner.
void TightenForHalfClose(int fd, const TcpOptions& options);

}  // namespace tlsbridge
