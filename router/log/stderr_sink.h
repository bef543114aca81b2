// Where the log's lines go: standard error, whose reader may stall without holding up the program's
// end.
//
// A thread that wakes for each line costs a busy program more than the line. So the log's thread
// rests a moment after it has written, and then writes together what has come meanwhile.
//
// Thread: the log's; Stop() is for any. Owner: spdlog's logger and who stops it. Failure: what
// cannot be written is lost.
#pragma once

#include <spdlog/details/null_mutex.h>
#include <spdlog/sinks/base_sink.h>

#include <functional>
#include <string>
#include <string_view>

namespace tlsbridge {

class StderrSink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  // `more_follows`: whether another line waits to be written. Asked on the log's thread.
  explicit StderrSink(std::function<bool()> more_follows);
  ~StderrSink() override;

  // From now on, a reader that takes nothing for a second is given up.
  void Stop();

 private:
  void sink_it_(const spdlog::details::log_msg& message) override;
  void flush_() override { WriteWaiting(); }
  void WriteWaiting();
  void Write(std::string_view text);
  void Rest();
  bool WaitForReader();

  const std::function<bool()> more_follows_;
  std::string waiting_;  // whole lines
  int waiting_lines_ = 0;
  const int stop_fd_;  // an eventfd; -1 if there is none: then stopping is not noticed
  bool stopping_ = false;
  bool given_up_ = false;
};

}  // namespace tlsbridge
