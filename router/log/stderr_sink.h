// Where the log's lines go: standard error, whose reader may stall without holding up the program's
// end.
//
// A thread that wakes for each line costs a busy program more than the line. So the log's thread
// rests a moment after it has written, and then writes together what has come meanwhile.
//
// Thread: the log's; Stop() is for any. Owner: spdlog's logger and who stops it. Failure: what
// cannot be written is lost, and counted; a line tells how many as soon as one can be written. A
// line that was cut, on a disk that is full for example, ends where the next begins.
#pragma once

#include <spdlog/details/null_mutex.h>
#include <spdlog/sinks/base_sink.h>
#include <stdint.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "bridge/counter.h"

namespace tlsbridge {

class StderrSink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  // Asked on the log's thread.
  struct Queue {
    std::function<bool()> more_follows;  // another line waits to be written
    std::function<uint64_t()> overrun;   // lines that were dropped so far, since too many waited
    // A line's text: `lines` are lost. `error` is the errno, 0 for those that were dropped.
    std::function<std::string(uint64_t lines, int error)> describe_loss;
  };
  explicit StderrSink(Queue queue);
  ~StderrSink() override;

  // From now on, a reader that takes nothing for a second is given up.
  void Stop();

  // Lines that could not be written, ever. Any thread.
  uint64_t unwritten() const { return unwritten_ever_.value(); }

 private:
  void sink_it_(const spdlog::details::log_msg& message) override;
  void flush_() override { WriteWaiting(); }
  void WriteWaiting();
  size_t Write(std::string_view text);
  void CountLosses(size_t written);
  void Append(const spdlog::details::log_msg& message);
  void ReportLosses();
  void Rest();
  bool WaitForReader();

  const Queue queue_;
  // Lines of waiting_ that report losses.
  struct LossReport {
    size_t ends;  // in waiting_
    uint64_t lines;
    int error;
  };
  std::vector<LossReport> reports_;
  uint64_t overrun_reported_ = 0;
  uint64_t unwritten_ = 0;  // lines, not yet reported
  int unwritten_error_ = 0;
  Counter unwritten_ever_;
  bool cut_ = false;     // the last line has no end
  std::string waiting_;  // whole lines
  spdlog::memory_buf_t line_;
  int waiting_lines_ = 0;
  const int stop_fd_;  // an eventfd; -1 if there is none: then stopping is not noticed
  bool stopping_ = false;
  bool given_up_ = false;
};

}  // namespace tlsbridge
