#include "router/log/log.h"

#include <spdlog/async.h>
#include <spdlog/spdlog.h>
#include <string.h>

#include <algorithm>
#include <atomic>
#include <iterator>
#include <memory>
#include <system_error>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "bridge/event/thread.h"
#include "router/log/json_string.h"
#include "router/log/stderr_sink.h"

namespace tlsbridge {
namespace {

// Lines that may wait for a slow reader of standard error: about 400 KiB.
constexpr size_t kWaitingLines = 1024;

constexpr absl::Duration kEndPatience = absl::Seconds(2);

constexpr absl::string_view kLevels[] = {"debug", "info", "warning", "error", "off"};

std::atomic<LogLevel> least_level{LogLevel::kOff};
LogFormat log_format = LogFormat::kText;
std::shared_ptr<StderrSink>& Sink() {
  static auto* const sink = new std::shared_ptr<StderrSink>;
  return *sink;
}
std::shared_ptr<spdlog::logger>& Logger() {
  static auto* const logger = new std::shared_ptr<spdlog::logger>;
  return *logger;
}

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
    case LogLevel::kOff:
      return spdlog::level::off;
  }
  return spdlog::level::off;
}

bool IsPlain(absl::string_view value) {
  return !value.empty() && std::all_of(value.begin(), value.end(), [](unsigned char c) {
    return c > ' ' && c < 0x7f && c != '"' && c != '=' && c != '\\';
  });
}

// As C escapes it within double quotes, where single ones stand for themselves.
std::string Escaped(absl::string_view value) {
  return absl::StrJoin(absl::StrSplit(value, '\''), "'",
                       [](std::string* out, absl::string_view part) {
                         absl::StrAppend(out, absl::CHexEscape(part));
                       });
}

// "log_lines_lost count=N", as LogEvent has it.
std::string DescribeLoss(uint64_t lines, int error) {
  const bool json = log_format == LogFormat::kJson;
  std::string text = json ? absl::StrCat("\"event\":\"log_lines_lost\",\"count\":", lines)
                          : absl::StrCat("log_lines_lost count=", lines);
  if (error == 0) return text;
  const char* const name = strerrorname_np(error);
  absl::StrAppend(&text, json ? ",\"errno\":\"" : " errno=", name == nullptr ? "unknown" : name,
                  json ? "\"" : "");
  return text;
}

}  // namespace

absl::Status StartLog(LogLevel least, LogFormat format) {
  if (least == LogLevel::kOff) return absl::OkStatus();
  try {
    spdlog::init_thread_pool(kWaitingLines, 1);
  } catch (const std::system_error& error) {
    return CannotStartThread("the log", error.code().value());
  }
  least_level = least;
  log_format = format;
  auto& logger = Logger();
  // The pool outlives its thread, on which this is asked.
  auto* const pool = spdlog::thread_pool().get();
  Sink() = std::make_shared<StderrSink>(
      StderrSink::Queue{.more_follows = [pool] { return pool->queue_size() > 0; },
                        .overrun = [pool] { return uint64_t{pool->overrun_counter()}; },
                        .describe_loss = &DescribeLoss});
  logger = std::make_shared<spdlog::async_logger>("tlsbridge", Sink(), spdlog::thread_pool(),
                                                  spdlog::async_overflow_policy::overrun_oldest);
  logger->set_level(spdlog::level::trace);  // who writes has asked LogEnabled()
  logger->set_pattern(format == LogFormat::kJson
                          ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})"
                          : "%Y-%m-%dT%H:%M:%S.%eZ %l %v",
                      spdlog::pattern_time_type::utc);
  return absl::OkStatus();
}

void StopLog() {
  if (Logger() == nullptr) return;
  least_level = LogLevel::kOff;
  Sink()->Stop();
  Logger().reset();
  // It alone keeps the sink, whose end writes, too, and may hang.
  auto thread = Thread::Start("the end of the log", [sink = std::exchange(Sink(), nullptr)] {
    spdlog::shutdown();  // joins the thread, which writes what is queued
  });
  if (!thread.ok()) return spdlog::shutdown();
  thread->JoinOrLeave(kEndPatience);
}

uint64_t LogLinesLost() {
  if (Sink() == nullptr) return 0;
  return spdlog::thread_pool()->overrun_counter() + Sink()->unwritten();
}

bool LogEnabled(LogLevel level) { return LogEnabled(level, CurrentLogLevel()); }

bool LogEnabled(LogLevel level, LogLevel least) {
  return level >= least && level != LogLevel::kOff && CurrentLogLevel() != LogLevel::kOff;
}

bool SetLogLevel(LogLevel least) {
  if (Logger() == nullptr) return false;
  least_level.store(least, std::memory_order_relaxed);
  return true;
}

LogLevel CurrentLogLevel() { return least_level.load(std::memory_order_relaxed); }

absl::string_view LogLevelName(LogLevel level) { return kLevels[static_cast<size_t>(level)]; }

std::optional<LogLevel> ParseLogLevel(absl::string_view name) {
  for (size_t i = 0; i < std::size(kLevels); ++i) {
    if (name == kLevels[i]) return static_cast<LogLevel>(i);
  }
  return std::nullopt;
}

LogLine::LogLine(LogFormat format, absl::string_view name, bool enabled)
    : enabled_(enabled), format_(format) {
  if (!enabled_) return;
  line_.reserve(384);
  if (format_ == LogFormat::kJson) {
    absl::StrAppend(&line_, "\"event\":\"", name, "\"");
  } else {
    absl::StrAppend(&line_, name);
  }
}

LogEvent::LogEvent(LogLevel level, absl::string_view name, LogLevel least)
    : LogLine(log_format, name, LogEnabled(level, least)), level_(level) {}

LogEvent::~LogEvent() {
  if (!enabled_) return;
  Logger()->log(ToSpdlog(level_), spdlog::string_view_t(text().data(), text().size()));
}

void LogLine::Key(absl::string_view key) {
  if (format_ == LogFormat::kJson) {
    absl::StrAppend(&line_, ",\"", key, "\":");
  } else {
    absl::StrAppend(&line_, " ", key, "=");
  }
}

LogLine& LogLine::Text(absl::string_view key, absl::string_view value) {
  if (!enabled_) return *this;
  Key(key);
  if (format_ == LogFormat::kJson) {
    absl::StrAppend(&line_, JsonString(value));
  } else if (value.empty()) {
    absl::StrAppend(&line_, "-");
  } else if (IsPlain(value)) {
    absl::StrAppend(&line_, value);
  } else {
    absl::StrAppend(&line_, "\"", Escaped(value), "\"");
  }
  return *this;
}

LogLine& LogLine::Number(absl::string_view key, int64_t value) {
  if (!enabled_) return *this;
  Key(key);
  absl::StrAppend(&line_, value);
  return *this;
}

LogLine& LogLine::Flag(absl::string_view key, bool value) {
  if (!enabled_) return *this;
  Key(key);
  absl::StrAppend(&line_, value ? "true" : "false");
  return *this;
}

LogLine& LogLine::Milliseconds(absl::string_view key, absl::Duration value) {
  if (!enabled_) return *this;
  Key(key);
  if (value == absl::InfiniteDuration()) {
    absl::StrAppend(&line_, format_ == LogFormat::kJson ? "null" : "inf");
  } else {
    absl::StrAppendFormat(&line_, "%.3f", absl::ToDoubleMilliseconds(value));
  }
  return *this;
}

LogLine& LogLine::Members(absl::string_view json) {
  if (!enabled_) return *this;
  if (format_ == LogFormat::kText) return Json("connections", json);
  const absl::string_view inside = json.substr(1, json.size() - 2);
  if (!inside.empty()) absl::StrAppend(&line_, ",", inside);
  return *this;
}

LogLine& LogLine::Json(absl::string_view key, absl::string_view json) {
  if (!enabled_) return *this;
  Key(key);
  absl::StrAppend(&line_, json);
  return *this;
}

}  // namespace tlsbridge
