// The program's log: one event a line, as text for people or JSON for machines, on standard error.
//
// Lines are handed to a thread of their own; when whoever reads standard error is too slow, the
// oldest lines are lost rather than a connection delayed, and log_lines_lost says how many.
//
// Thread: any, between StartLog and StopLog, which main calls. Without StartLog (in tests) events
// go nowhere. Failure: StartLog() needs a thread; none later.
#pragma once

#include <stdint.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace tlsbridge {

enum class LogLevel : uint8_t { kDebug, kInfo, kWarning, kError, kOff };
enum class LogFormat : uint8_t { kText, kJson };

absl::Status StartLog(LogLevel least, LogFormat format);
// After every line has been written, or its reader has taken nothing for a second, or two seconds
// have passed: a write that hangs keeps its thread, which is left behind (bridge/event/thread.h),
// with all that it uses.
void StopLog();

bool LogEnabled(LogLevel level);

// Lines that nobody got so far, and log_lines_lost tells of.
uint64_t LogLinesLost();

// Written when it dies. Keys are ours; values may come from a peer and are escaped.
class LogEvent {
 public:
  LogEvent(LogLevel level, absl::string_view name);
  LogEvent(const LogEvent&) = delete;
  LogEvent& operator=(const LogEvent&) = delete;
  ~LogEvent();

  LogEvent& Text(absl::string_view key, absl::string_view value);
  LogEvent& Number(absl::string_view key, int64_t value);
  LogEvent& Number(absl::string_view key, uint64_t value) {
    return Number(key, static_cast<int64_t>(value));
  }
  LogEvent& Number(absl::string_view key, int value) {
    return Number(key, static_cast<int64_t>(value));
  }
  LogEvent& Flag(absl::string_view key, bool value);
  // In milliseconds, to the microsecond.
  LogEvent& Milliseconds(absl::string_view key, absl::Duration value);
  // `json` is written as it is: a document of our own making. Members() takes an object, whose
  // members become the line's own in JSON.
  LogEvent& Members(absl::string_view json);
  LogEvent& Json(absl::string_view key, absl::string_view json);

 private:
  void Key(absl::string_view key);

  const LogLevel level_;
  const bool enabled_;
  std::string line_;
};

}  // namespace tlsbridge
