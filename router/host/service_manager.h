// What is told to the service manager that started this process: sd_notify(3), written by hand,
// since libsystemd has no static archive and brings four libraries along.
//
// Never blocks: where the manager's socket is full, what was to be told goes with what is told next
// (of assignments in one datagram the last counts, in their order). What comes regularly, the
// status and the watchdog's food, therefore carries along whatever mattered more.
//
// Thread: the control loop's; FromEnvironment() is main's, while there is no other. Owner: main, or
// who it was moved to. Failure: told once in the log; the service does without.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace tlsbridge {

class ServiceManager {
 public:
  ServiceManager() = default;  // nobody listens
  ServiceManager(ServiceManager&& other) noexcept;
  ServiceManager& operator=(ServiceManager&& other) noexcept;
  ~ServiceManager();

  // By NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, which are gone from the environment then: no
  // child is to speak for this process.
  static ServiceManager FromEnvironment();

  bool listens() const { return fd_ >= 0; }
  // How long it waits for WATCHDOG=1; zero if it does not, or not for this process.
  absl::Duration watchdog() const { return watchdog_; }
  // What a process that takes this one's place needs in its environment: "NAME=value" each. The
  // watchdog then is for whoever reads it.
  std::vector<std::string> Environment() const;

  // Assignments, with a line end between: "READY=1\nSTATUS=ready". Descriptors go with FDSTORE=1
  // and stay the caller's; false if they did not go.
  bool Notify(absl::string_view assignments, absl::Span<const int> descriptors = {});

 private:
  bool Send(absl::string_view text, absl::Span<const int> descriptors) const;
  void WarnOnce(absl::string_view message);

  int fd_ = -1;
  sockaddr_un address_ = {};
  socklen_t length_ = 0;
  std::string path_;  // as NOTIFY_SOCKET said it
  absl::Duration watchdog_;
  std::string untold_;   // it goes with the next
  std::string trouble_;  // found where there was no log yet
  bool warned_ = false;
};

}  // namespace tlsbridge
