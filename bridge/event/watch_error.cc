#include "bridge/event/watch_error.h"

#include <errno.h>

#include "absl/strings/str_cat.h"

namespace tlsbridge {

absl::Status WatchError(absl::string_view what, int error) {
  absl::Status status = absl::ErrnoToStatus(error, absl::StrCat("cannot watch ", what));
  if (error != ENOSPC) return status;
  // epoll(7): the limit is of all processes of a user together.
  return absl::Status(
      status.code(),
      absl::StrCat(status.message(),
                   "; out of epoll watches for this user: raise fs.epoll.max_user_watches, or stop "
                   "other processes that use them"));
}

}  // namespace tlsbridge
