// A thread of this program: where the system has none to give, that is a Status which says what it
// was wanted for; and one that hangs can be left behind.
//
// A thread hangs where nothing can wake it: in a file of a mount that is dead, a pipe without a
// writer, a disk that takes no more. Whoever must not wait for that lets go of it (JoinOrLeave()).
// It may come back at any time, so that all that it uses has to be its own or to live as long as
// the process, which then ends by _exit(): nothing is destroyed under its feet (AnyLeft()).
//
// Thread: that of its owner. Owner: whoever started it; the destructor joins. Failure: Start().
#pragma once

#include <memory>
#include <thread>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "tls/mutex.h"

namespace tlsbridge {

class Thread {
 public:
  Thread() = default;  // none
  // `purpose` is for people: "worker 3".
  static absl::StatusOr<Thread> Start(absl::string_view purpose, absl::AnyInvocable<void()> run);
  Thread(Thread&&) = default;
  Thread& operator=(Thread&& other) noexcept;
  ~Thread() { Join(); }

  bool joinable() const { return thread_.joinable(); }

  // Waits for its end, if there is one.
  void Join();
  // Waits so long at most. False if it goes on, and is nobody's from now on.
  bool JoinOrLeave(absl::Duration patience);

  // Whether one has been left, ever.
  static bool AnyLeft();

 private:
  struct End {
    // So long at most; whether it is reached.
    bool Await(absl::Duration patience);

    Mutex mutex;
    CondVar changed;
    bool reached ABSL_GUARDED_BY(mutex) = false;
  };

  std::shared_ptr<End> end_;  // the thread's, too
  std::thread thread_;
};

// What is said where a thread cannot be had: `error` is an errno.
absl::Status CannotStartThread(absl::string_view purpose, int error);

}  // namespace tlsbridge
