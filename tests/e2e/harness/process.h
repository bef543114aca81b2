// A child process whose output is captured.
//
// Threads: one thread owns it; a thread of its own reads the output and makes the two callbacks.
// Lifetime: the destructor kills the process if it still runs, and joins the thread. What the
// callbacks use must outlive the object.
// Failure: Start() says why; a wait that meets its deadline returns nothing.

#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "tests/e2e/harness/deadline.h"
#include "tests/e2e/harness/unique_fd.h"

namespace tlsbridge::e2e {

struct ProcessOptions {
  // The program, found in PATH unless it has a slash, and its arguments.
  std::vector<std::string> argv;
  // Added to our own environment.
  std::map<std::string, std::string> environment;
  // Descriptors of ours that it has under these numbers. Ours are greater than all of them.
  std::map<int, int> descriptors = {};
  // Both optional, and called on the reading thread: every whole line of stderr, and its end.
  std::function<void(absl::string_view line)> on_stderr_line;
  std::function<void()> on_output_end;
};

class Process {
 public:
  static absl::StatusOr<std::unique_ptr<Process>> Start(ProcessOptions options);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }

  // Does nothing when the process has been waited for: its pid may belong to another by then.
  void SendSignal(int signal);

  // The exit code, or 128 plus the signal that ended it. All its output has been read by then.
  std::optional<int> WaitForExit(absl::Duration timeout = kPatience);

  // What it has written so far.
  std::string StdoutText() const;
  std::string StderrText() const;

 private:
  explicit Process(ProcessOptions options) : options_(std::move(options)) {}
  absl::Status Spawn();
  void ReadOutput();
  bool ReadAvailable(int fd, std::string& text);
  void ReportLines(bool at_end);

  const ProcessOptions options_;
  pid_t pid_ = -1;
  std::optional<int> exit_code_;
  UniqueFd pid_fd_;     // Readable when the process has ended.
  UniqueFd stdout_fd_;  // Our ends of the two pipes.
  UniqueFd stderr_fd_;
  UniqueFd exited_fd_;  // An eventfd: the process has been waited for.

  mutable std::mutex mutex_;
  std::string stdout_text_;  // Guarded by mutex_, as is the next.
  std::string stderr_text_;
  size_t reported_bytes_ = 0;  // Of stderr_text_, as lines. Used by the thread only.
  std::thread reader_;
};

// Runs a program to its end; its stdout, or why it failed.
absl::StatusOr<std::string> RunToEnd(std::vector<std::string> argv);

}  // namespace tlsbridge::e2e
