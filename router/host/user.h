// Whom the process goes on as, once what only root may do is done: --user.
//
// Thread: Find() is main's, while there is no other (it asks the name service); Become() is for
// every thread (every_thread.h). Failure: a Status; errnos.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tlsbridge {

struct User {
  std::string text;  // as typed: "NAME" or "NAME:GROUP", names or numbers
  uid_t user;
  gid_t group;
  std::vector<gid_t> groups;  // all of the user's, or the one that was named

  static absl::StatusOr<User> Find(absl::string_view text);
};

// Rights that are kept when root is left: capabilities(7), a bit each.
struct KeptRights {
  bool low_ports = false;  // CAP_NET_BIND_SERVICE
  bool firewall = false;   // CAP_NET_ADMIN
};

// The thread that calls this is the user from now on. 0 or an errno; for signal handlers.
int Become(const User& user, const KeptRights& kept);

// Whether this process could become another user.
bool MayBecomeOthers();

}  // namespace tlsbridge
