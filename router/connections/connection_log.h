// The line that each connection leaves behind when it ends.
//
// Orderly ends are always written. Failures of one kind, at one route and backend, are written a
// few times a minute and then counted; refusals by policy are counted by client, so that each is
// named (RefusalFolder); a TCP probe is a matter for the debug log. Whether it is written or not,
// what fails is kept for operators (RecentFailures), as is what ends in order (RecentEnds).
//
// Thread: the worker's. Owner: the ConnectionManager. Loop and folder outlive it. Failure: none.
#pragma once

#include <stdint.h>

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "bridge/event/event_loop.h"
#include "bridge/event/timer.h"
#include "router/connections/connection.h"
#include "router/connections/connection_record.h"
#include "router/connections/ended_connection.h"
#include "router/connections/recent_ends.h"
#include "router/log/failure_folder.h"
#include "router/log/log.h"

namespace tlsbridge {

class ConnectionLog {
 public:
  ConnectionLog(EventLoop* loop, FailureFolder* folder);

  // Of one that has been accepted, where the configuration asks for such lines.
  void WriteStart(const ConnectionRecord& record);
  void WriteEnd(const Connection& connection);
  // For one that the kernel forwarded.
  struct ByKernel {
    const std::string& backend;
    absl::string_view detail;  // what else is known of its end; mostly empty
    // Packets with their headers; none if they were not counted.
    std::optional<uint64_t> ip_bytes_received;
    std::optional<uint64_t> ip_bytes_sent;
  };
  void WriteEnd(const ConnectionRecord& record, const ByKernel& by_kernel);
  // For one that was refused before it had a bridge.
  void WriteRefusal(const ConnectionRecord& record);

  // Those that ended in order.
  const RecentEnds& recent() const { return recent_; }

  // Tells what has been folded so far, before its time is up: nothing more will come.
  void Finish();

 private:
  // Of a failure; `subject` is whom the client's certificate names.
  bool ShouldWrite(const ConnectionRecord& record, std::string kind, absl::string_view backend,
                   absl::string_view subject, LogLevel level);
  // Writes the line of an end, or keeps it for operators, or both.
  void Write(LogLevel level, bool write, const ConnectionRecord& record, EndedConnection ended);
  void Flush();
  void FlushUntil(absl::Time time);
  void SetFlushTimer();

  EventLoop* const loop_;        // Not owned.
  FailureFolder* const folder_;  // Not owned.
  RecentEnds recent_;
  Timer flush_timer_;
};

}  // namespace tlsbridge
