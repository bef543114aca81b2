// A connected plaintext socket with blocking calls that have deadlines, for clients and backends of
// tests.
//
// One thread at a time. A movable value that owns its descriptor. Every failure is a status that
// says which call failed; last_errno() has the number, ETIMEDOUT when the deadline passed.

#pragma once

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "tests/e2e/harness/deadline.h"
#include "tests/e2e/harness/unique_fd.h"

namespace tlsbridge::e2e {

class Socket {
 public:
  // `stop_fd`, when there is one, makes every call fail with ECANCELED once it is readable. Not
  // owned.
  explicit Socket(UniqueFd fd, int stop_fd = -1);

  // `address` is as in our configuration: "127.0.0.1:80", "[::1]:80" or "unix:/path".
  // `source` is an IP address of ours to come from; empty: the kernel's choice.
  static absl::StatusOr<Socket> Connect(absl::string_view address, absl::string_view source = "");

  int fd() const { return fd_.get(); }
  int last_errno() const { return last_errno_; }
  void set_timeout(absl::Duration timeout) { timeout_ = timeout; }

  // Waits for the first byte and returns what is there, at most `max_bytes`; empty at the end.
  absl::StatusOr<std::string> ReadSome(size_t max_bytes = 64 * 1024);
  // An end before `bytes` bytes is an error, as is one before `mark`.
  absl::StatusOr<std::string> ReadExactly(size_t bytes);
  // Up to and with `mark`; what was read behind it is kept for the next call.
  absl::StatusOr<std::string> ReadUntil(const std::string& mark);
  absl::StatusOr<std::string> ReadToEnd();

  absl::Status Write(absl::string_view bytes);

  // FIN now, reading goes on.
  void ShutdownWrite();
  // RST, whatever is unread or unsent.
  void Reset();
  void Close();

 private:
  absl::Status Wait(short events, const Deadline& deadline);
  absl::Status Fail(int error, absl::string_view call);
  absl::StatusOr<std::string> Receive(size_t max_bytes, const Deadline& deadline);

  UniqueFd fd_;
  int stop_fd_;
  int last_errno_ = 0;
  absl::Duration timeout_ = kPatience;
  std::string read_ahead_;
};

}  // namespace tlsbridge::e2e
