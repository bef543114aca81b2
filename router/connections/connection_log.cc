#include "router/connections/connection_log.h"

#include <string.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "router/config/cidr.h"
#include "tls/client_session.h"
#include "tls/version_name.h"

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
// nothing, is told like an orderly end, though its backend was cut off as by any truncation.
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

void TellRefusals(const RefusalFolder::Refusal& who, RefusalFolder::Told told, int64_t more) {
  using Told = RefusalFolder::Told;
  LogEvent event(LogLevel::kWarning, "folded", kOfThoseThatAreLogged);
  event.Text("kind", who.what);
  if (!who.route.empty()) event.Text("route", who.route);
  if (!who.client.empty()) event.Text("client", who.client);
  if (!who.subject.empty()) event.Text("refused_client", who.subject);
  absl::string_view whose;
  if (told == Told::kOtherSubjects) whose = ", with other certificates";
  if (told == Told::kBlock) whose = ", of other clients there";
  if (told == Told::kRest) whose = ", of other clients";
  event.Number("more", more)
      .Text("message", absl::StrCat("and ", more, " more like it in 60 s", whose));
}

std::string VersionNames(const std::vector<uint16_t>& versions) {
  return absl::StrJoin(versions, ",", [](std::string* out, uint16_t version) {
    absl::StrAppend(out, tls::VersionName(version));
  });
}

void AppendEnd(const End& end, LogLine* event) {
  event->Text("reason", TerminationReasonName(end.reason))
      .Text("incoming", TerminationReasonName(end.incoming))
      .Text("outgoing", TerminationReasonName(end.outgoing));
  if (end.failure.detail != tls::FailureDetail::kNone) {
    event->Text("detail", tls::Describe(end.failure));
    if (*end.failure.reason != '\0') event->Text("tls_error", end.failure.reason);
  }
  if (end.error != 0) event->Text("errno", strerrorname_np(end.error));
}

void AppendClient(const tls::ClientSession& session, LogLine* event) {
  if (!session.client_identity().empty()) {
    event->Text("client", session.client_identity());
    if (!session.allowed_by().empty()) event->Text("allowed_by", session.allowed_by());
  }
  if (!session.refused_identity().empty()) {
    event->Text("refused_client", session.refused_identity());
  }
  if (session.would_refuse().detail != tls::FailureDetail::kNone) {
    event->Text("would_refuse", tls::Describe(session.would_refuse()));
  }
  if (!session.handshake_done()) return;
  event->Text("tls", session.version())
      .Text("cipher", session.cipher())
      .Text("group", session.group())
      .Flag("resumed", session.resumed());
  if (!session.alpn().empty()) event->Text("alpn", session.alpn());
}

// All that is known of a connection that has ended.
void Append(const Connection& connection, LogLine* event) {
  const ConnectionRecord& record = connection.record();
  const Bridge& bridge = connection.bridge();
  const tls::ClientSession* const client = bridge.client_tls();
  const proxy_protocol::Malformed malformed = connection.malformed_proxy_header();
  event->Number("id", record.id).Text("peer", record.peer.ToString());
  if (record.proxied != nullptr) event->Text("proxied_by", record.proxied->by.ToString());
  event->Text("listener", record.listener->ToString());
  if (record.routed) event->Text("route", record.route->name);
  if (!connection.backend().empty()) event->Text("backend", connection.backend());
  AppendEnd(record.end, event);
  if (malformed != proxy_protocol::Malformed::kNone) {
    event->Text("detail", proxy_protocol::MalformedName(malformed));
  }
  event->Milliseconds("duration_ms", record.ended_at - record.accepted_at)
      .Number("bytes_received", bridge.bytes_received())
      .Number("bytes_sent", bridge.bytes_sent());
  if (bridge.dropped_bytes() > 0) event->Number("bytes_dropped", bridge.dropped_bytes());
  event->Text("sni", record.server_name);
  if (const Greeting::Offer* offer = connection.offer(); offer != nullptr) {
    event->Text("alpn_offered", offer->alpn)
        .Text("versions_offered", VersionNames(offer->versions));
  }
  if (client != nullptr) {
    AppendClient(*client, event);
    if (client->handshake_done()) {
      event->Milliseconds("handshake_ms", record.client_ready_at - record.accepted_at);
    }
  }
  if (record.connected_at < absl::InfiniteFuture()) {
    event->Milliseconds("connect_ms", record.connected_at - record.connecting_since);
  }
  if (record.first_answer_at < absl::InfiniteFuture()) {
    event->Milliseconds("first_byte_ms", record.first_answer_at - record.connected_at);
  }
  if (const tls::Session* session = bridge.backend_tls();
      session != nullptr && session->handshake_done()) {
    event->Text("backend_tls", session->version())
        .Text("backend_cipher", session->cipher())
        .Flag("backend_resumed", session->resumed());
    if (!session->alpn().empty()) event->Text("backend_alpn", session->alpn());
  }
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
                          absl::FunctionRef<void(LogLine&)> fill) {
  if (write) {
    LogEvent event(level, "connection_end", record.least_level());
    fill(event);
  }
  if (level != LogLevel::kWarning) return;
  const absl::Time now = loop_->clock().Wall();
  if (!folder_->recent().Count(record.end.reason, write, now)) return;
  LogLine text(LogFormat::kText, "connection_end");
  fill(text);
  LogLine json(LogFormat::kJson, "connection_end");
  fill(json);
  folder_->recent().Add({.at = now,
                         .reason = record.end.reason,
                         .route = record.routed ? record.route->name : "",
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
  Write(level, write, record, [&record](LogLine& event) {
    event.Number("id", record.id)
        .Text("peer", record.peer.ToString())
        .Text("listener", record.listener->ToString());
    AppendEnd(record.end, &event);
  });
}

void ConnectionLog::WriteEnd(const ConnectionRecord& record, const ByKernel& by_kernel) {
  const LogLevel level = LevelOf(record.end);
  const bool write =
      ShouldWrite(record, KindOf(record.end), by_kernel.backend, /*subject=*/"", level);
  Write(level, write, record, [&record, &by_kernel](LogLine& event) {
    event.Number("id", record.id)
        .Text("peer", record.peer.ToString())
        .Text("listener", record.listener->ToString())
        .Text("route", record.route->name)
        .Text("backend", by_kernel.backend);
    AppendEnd(record.end, &event);
    if (!by_kernel.detail.empty()) event.Text("detail", by_kernel.detail);
    event.Text("engine", "nftables")
        .Milliseconds("duration_ms", record.ended_at - record.accepted_at);
    if (by_kernel.ip_bytes_received) {
      event.Number("ip_bytes_received", *by_kernel.ip_bytes_received);
    }
    if (by_kernel.ip_bytes_sent) event.Number("ip_bytes_sent", *by_kernel.ip_bytes_sent);
  });
}

void ConnectionLog::WriteEnd(const Connection& connection) {
  const ConnectionRecord& record = connection.record();
  const bool left_in_order = LeftInOrder(connection);
  if (left_in_order) HintAtTruncation();
  const LogLevel level = left_in_order ? LogLevel::kInfo : LevelOf(record.end);
  std::string kind = KindOf(record.end);
  const proxy_protocol::Malformed malformed = connection.malformed_proxy_header();
  if (malformed != proxy_protocol::Malformed::kNone) {
    absl::StrAppend(&kind, " (", proxy_protocol::MalformedName(malformed), ")");
  }
  const Bridge& bridge = connection.bridge();
  const tls::ClientSession* const client = bridge.client_tls();
  const absl::string_view subject = client == nullptr ? "" : client->refused_identity();
  const bool write = ShouldWrite(record, std::move(kind), connection.backend(), subject, level);
  Write(level, write, record, [&connection](LogLine& event) { Append(connection, &event); });
}

}  // namespace tlsbridge
