// What a thread reads just now, for others to tell: it may hang there, in a file of a mount that is
// dead.
//
// Thread: any; Note() is the reading thread's. Owner: whoever may have to tell; the thread, too, as
// long as it reads. Failure: none.
#pragma once

#include <memory>
#include <string>

#include "absl/types/span.h"
#include "tls/mutex.h"

namespace tlsbridge {

class ReadingNote {
 public:
  // From now on what this thread reads is noted there.
  static void KeepIn(std::shared_ptr<ReadingNote> note);
  // This thread reads these. Does nothing where nobody has asked for it.
  static void Note(absl::Span<const std::string> paths);

  std::string ToString() const;

 private:
  mutable Mutex mutex_;
  std::string paths_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tlsbridge
