// The program's log: one event a line, as text for people or JSON for machines, on standard error.
//
// Lines are handed to a thread of their own; when whoever reads standard error is too slow, the
// oldest lines are lost rather than a connection delayed, and log_lines_lost says how many.
//
// Thread: any, between StartLog and StopLog, which main calls. Without StartLog (in tests) events
// go nowhere. Failure: StartLog() needs a thread; none later.
#pragma once

#include <stdint.h>

#include <optional>
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
// Where something has a least level of its own; not while the whole log is off.
bool LogEnabled(LogLevel level, LogLevel least);

// The level may change while the program runs. False if the log has been off since the start: then
// there is nobody who would write it.
bool SetLogLevel(LogLevel least);
LogLevel CurrentLogLevel();

inline constexpr absl::string_view kLogLevelNames = "debug, info, warning, error or off";
absl::string_view LogLevelName(LogLevel level);
std::optional<LogLevel> ParseLogLevel(absl::string_view name);

// Lines that nobody got so far, and log_lines_lost tells of.
uint64_t LogLinesLost();

// One event as text or as the members of a JSON object. Keys are ours; values may come from a peer
// and are escaped.
class LogLine {
 public:
  LogLine(LogFormat format, absl::string_view name) : LogLine(format, name, /*enabled=*/true) {}
  LogLine(const LogLine&) = delete;
  LogLine& operator=(const LogLine&) = delete;

  LogLine& Text(absl::string_view key, absl::string_view value);
  LogLine& Number(absl::string_view key, int64_t value);
  LogLine& Number(absl::string_view key, uint64_t value) {
    return Number(key, static_cast<int64_t>(value));
  }
  LogLine& Number(absl::string_view key, int value) {
    return Number(key, static_cast<int64_t>(value));
  }
  LogLine& Flag(absl::string_view key, bool value);
  // In milliseconds, to the microsecond.
  LogLine& Milliseconds(absl::string_view key, absl::Duration value);
  // `json` is written as it is: a document of our own making. Members() takes an object, whose
  // members become the line's own in JSON.
  LogLine& Members(absl::string_view json);
  LogLine& Json(absl::string_view key, absl::string_view json);

  const std::string& text() const { return line_; }

 protected:
  // One that is not enabled takes nothing.
  LogLine(LogFormat format, absl::string_view name, bool enabled);
  const bool enabled_;

 private:
  void Key(absl::string_view key);

  const LogFormat format_;
  std::string line_;
};

// Written when it dies.
class LogEvent final : public LogLine {
 public:
  LogEvent(LogLevel level, absl::string_view name) : LogEvent(level, name, CurrentLogLevel()) {}
  // The same with a least level of its own.
  LogEvent(LogLevel level, absl::string_view name, LogLevel least);
  ~LogEvent();

 private:
  const LogLevel level_;
};

}  // namespace tlsbridge
