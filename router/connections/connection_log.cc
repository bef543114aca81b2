#include "router/connections/connection_log.h"

#include <algorithm>
#include <atomic>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "router/config/cidr.h"

namespace tlsbridge {
namespace {

// What has been folded would have been logged, whatever the least level is elsewhere.
constexpr LogLevel kOfThoseThatAreLogged = LogLevel::kDebug;

LogLevel LevelOf(const End& end) {
  if (IsOrderly(end.reason)) return LogLevel::kInfo;
  return end.failure.detail == tls::FailureDetail::kTcpProbe ? LogLevel::kDebug
                                                             : LogLevel::kWarning;
}

// Many ordinary clients never say close_notify. One that has left owing nothing, and that was owed
// nothing, is logged like an orderly end, though its backend was cut off as by any truncation.
bool LeftInOrder(const Connection& connection) {
  const Bridge& bridge = connection.bridge();
  const bool awaited_answer =
      bridge.bytes_received() > 0 && bridge.last_sender() == Side::kIncoming;
  return connection.record().end.reason == TerminationReason::kTruncated && !awaited_answer &&
         bridge.dropped_bytes() == 0 && !bridge.amid_record();
}

void HintAtTruncation() {
  static std::atomic<bool> hinted = false;
  if (!LogEnabled(LogLevel::kInfo) || hinted.exchange(true)) return;
  LogEvent(LogLevel::kInfo, "client_without_close_notify")
      .Text("hint",
            "some clients never send close_notify; --truncation=fin (tls.truncation: fin) treats "
            "their FIN as a normal end, where truncated requests need not be detected");
}

std::string KindOf(const End& end) {
  const absl::string_view reason = TerminationReasonName(end.reason);
  if (end.failure.detail == tls::FailureDetail::kNone) return std::string(reason);
  return absl::StrCat(reason, " (", tls::Describe(end.failure), ")");
}

// What the operator has decided about this client, rather than what went wrong.
bool IsByPolicy(const End& end) {
  return end.reason == TerminationReason::kDenied ||
         end.failure.detail == tls::FailureDetail::kNoClientCert ||
         end.failure.detail == tls::FailureDetail::kBadClientCert;
}

RefusalFolder::Refusal RefusalOf(const ConnectionRecord& record, std::string kind,
                                 absl::string_view subject) {
  RefusalFolder::Refusal refusal = {.what = std::move(kind),
                                    .route = record.routed ? record.route->name : "",
                                    .client = "unix:",
                                    .block = "unix:",
                                    .subject = std::string(subject)};
  if (record.peer.is_unix()) return refusal;
  // As limits count them: a host has a whole /64 of IPv6.
  const std::string client = Cidr::Around(record.peer, 32, 64).ToString();
  refusal.client = client.substr(0, client.rfind("/32"));
  refusal.block = Cidr::Around(record.peer, 16, 32).ToString();
  return refusal;
}

void TellRefusals(const RefusalFolder::Refusal& who, RefusalFolder::Scope scope, int64_t more) {
  using Scope = RefusalFolder::Scope;
  LogEvent event(LogLevel::kWarning, "folded", kOfThoseThatAreLogged);
  event.Text("kind", who.what);
  if (!who.route.empty()) event.Text("route", who.route);
  if (!who.client.empty()) event.Text("client", who.client);
  if (!who.subject.empty()) event.Text("refused_client", who.subject);
  absl::string_view whose;
  if (scope == Scope::kOtherSubjects) whose = ", with other certificates";
  if (scope == Scope::kBlock) whose = ", of other clients there";
  if (scope == Scope::kRest) whose = ", of other clients";
  event.Number("more", more)
      .Text("message", absl::StrCat("and ", more, " more like it in 60 s", whose));
}

}  // namespace

ConnectionLog::ConnectionLog(EventLoop* loop, FailureFolder* folder)
    : loop_(loop),
      folder_(folder),
      flush_timer_(
          loop, [this] { Flush(); }, Timer::Of::kService) {}

bool ConnectionLog::ShouldWrite(const ConnectionRecord& record, std::string kind,
                                absl::string_view backend, absl::string_view subject,
                                LogLevel level) {
  if (!LogEnabled(level, record.least_level())) return false;
  if (level != LogLevel::kWarning) return true;
  const absl::Time now = loop_->common_now();
  const bool write =
      IsByPolicy(record.end)
          ? folder_->refusals().ShouldWrite(RefusalOf(record, std::move(kind), subject), now)
          : folder_->ShouldWrite(
                {std::move(kind), record.routed ? record.route->name : "", std::string(backend)},
                now);
  SetFlushTimer();
  return write;
}

void ConnectionLog::FlushUntil(absl::Time time) {
  folder_->refusals().Flush(time, &TellRefusals);
  folder_->Flush(time, [](const FailureFolder::Kind& kind, int64_t more) {
    LogEvent event(LogLevel::kWarning, "folded", kOfThoseThatAreLogged);
    event.Text("kind", kind.what);
    if (!kind.route.empty()) event.Text("route", kind.route);
    if (!kind.backend.empty()) event.Text("backend", kind.backend);
    event.Number("more", more).Text("message", absl::StrCat("and ", more, " more like it in 60 s"));
  });
}

void ConnectionLog::Flush() {
  FlushUntil(loop_->common_now());
  SetFlushTimer();
}

void ConnectionLog::SetFlushTimer() {
  const absl::Time next = std::min(folder_->next_flush(), folder_->refusals().next_flush());
  if (next == absl::InfiniteFuture() || flush_timer_.armed()) return;
  flush_timer_.ArmAfter(next - loop_->common_now());
}

void ConnectionLog::Finish() {
  flush_timer_.Cancel();
  FlushUntil(absl::InfiniteFuture());
}

void ConnectionLog::Write(LogLevel level, bool write, const ConnectionRecord& record,
                          EndedConnection ended) {
  if (write) {
    LogEvent event(level, "connection_end", record.least_level());
    ended.AppendTo(&event);
  }
  if (level == LogLevel::kDebug) return;
  ended.at = loop_->clock().Wall();
  if (level == LogLevel::kInfo) return recent_.Add(std::move(ended));
  if (!folder_->recent().Count(record.end.reason, write, ended.at)) return;
  LogLine text(LogFormat::kText, "connection_end");
  ended.AppendTo(&text);
  LogLine json(LogFormat::kJson, "connection_end");
  ended.AppendTo(&json);
  folder_->recent().Add({.at = ended.at,
                         .reason = record.end.reason,
                         .route = ended.route,
                         .written = write,
                         .line = text.text(),
                         .fields = absl::StrCat("{", json.text(), "}")});
}

void ConnectionLog::WriteStart(const ConnectionRecord& record) {
  LogEvent(LogLevel::kInfo, "connection_start")
      .Number("id", record.id)
      .Text("peer", record.peer.ToString())
      .Text("listener", record.listener->ToString());
}

void ConnectionLog::WriteRefusal(const ConnectionRecord& record) {
  const LogLevel level = LevelOf(record.end);
  const bool write = ShouldWrite(record, KindOf(record.end), /*backend=*/"", /*subject=*/"", level);
  Write(level, write, record, EndedConnection::Of(record));
}

void ConnectionLog::WriteEnd(const ConnectionRecord& record, const ByKernel& by_kernel) {
  const LogLevel level = LevelOf(record.end);
  const bool write =
      ShouldWrite(record, KindOf(record.end), by_kernel.backend, /*subject=*/"", level);
  EndedConnection ended = EndedConnection::Of(record);
  ended.by_kernel = true;
  ended.route = record.route->name;
  ended.backend = by_kernel.backend;
  ended.detail = std::string(by_kernel.detail);
  ended.duration = record.ended_at - record.accepted_at;
  ended.bytes_received = by_kernel.ip_bytes_received;
  ended.bytes_sent = by_kernel.ip_bytes_sent;
  Write(level, write, record, std::move(ended));
}

void ConnectionLog::WriteEnd(const Connection& connection) {
  const ConnectionRecord& record = connection.record();
  const bool left_in_order = LeftInOrder(connection);
  if (left_in_order) HintAtTruncation();
  const LogLevel level = left_in_order ? LogLevel::kInfo : LevelOf(record.end);
  EndedConnection ended = EndedConnection::Of(connection);
  std::string kind = KindOf(record.end);
  if (!ended.detail.empty()) absl::StrAppend(&kind, " (", ended.detail, ")");
  const bool write =
      ShouldWrite(record, std::move(kind), ended.backend, ended.refused_client, level);
  Write(level, write, record, std::move(ended));
}

}  // namespace tlsbridge
