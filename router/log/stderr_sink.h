// Where the log's lines go: standard error, whose reader may stall without holding up the program's
// end.
//
// Thread: the log's; Stop() is for any. Owner: spdlog's logger and who stops it. Failure: what
// cannot be written is lost.
#pragma once

#include <spdlog/details/null_mutex.h>
#include <spdlog/sinks/base_sink.h>

#include <string_view>

namespace tlsbridge {

class StderrSink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  StderrSink();
  ~StderrSink() override;

  // From now on, a reader that takes nothing for a second is given up.
  void Stop();

 private:
  void sink_it_(const spdlog::details::log_msg& message) override;
  void flush_() override {}
  void Write(std::string_view text);
  bool WaitForReader();

  const int stop_fd_;  // an eventfd; -1 if there is none: then stopping is not noticed
  bool stopping_ = false;
  bool given_up_ = false;
};

}  // namespace tlsbridge
