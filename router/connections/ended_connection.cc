#include "router/connections/ended_connection.h"

#include <string.h>

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tls/client_session.h"
#include "tls/version_name.h"

namespace tlsbridge {
namespace {

std::string VersionNames(const std::vector<uint16_t>& versions) {
  return absl::StrJoin(versions, ",", [](std::string* out, uint16_t version) {
    absl::StrAppend(out, tls::VersionName(version));
  });
}

std::string Copy(absl::string_view text) { return {text.data(), text.size()}; }

EndedConnection::Tls FactsOf(const tls::Session* session) {
  if (session == nullptr || !session->handshake_done()) return {};
  return {true,
          session->version(),
          session->cipher(),
          session->group(),
          session->resumed(),
          Copy(session->alpn())};
}

// The time between two; none if it did not come to the second.
std::optional<absl::Duration> Between(absl::Time first, absl::Time second) {
  if (second == absl::InfiniteFuture()) return std::nullopt;
  return second - first;
}

// The certificate verified; it is our rules that refuse it.
bool IsOfRules(const tls::Failure& failure) {
  const absl::string_view why = failure.why;
  return why == "not_allowed" || why == "several_uris";
}

// What to do about the ends that newcomers meet first; empty for others.
absl::string_view HintOf(const End& end, const std::optional<std::string>& server_name) {
  if (end.failure.detail == tls::FailureDetail::kPlainHttp) return "use https://";
  if (IsOfRules(end.failure)) return "the certificate is trusted, but no rule allows it";
  if (end.reason == TerminationReason::kNoRoute && server_name && server_name->empty()) {
    return "the client sent no SNI: a route with domains * or without domains takes it";
  }
  return "";
}

void AppendEnd(const End& end, LogLine* line) {
  line->Text("reason", TerminationReasonName(end.reason))
      .Text("incoming", TerminationReasonName(end.incoming))
      .Text("outgoing", TerminationReasonName(end.outgoing));
  if (end.failure.detail != tls::FailureDetail::kNone) {
    line->Text("detail", tls::Describe(end.failure));
    if (*end.failure.reason != '\0' && !IsOfRules(end.failure))
      line->Text("tls_error", end.failure.reason);
  }
  if (end.error != 0) line->Text("errno", strerrorname_np(end.error));
}

}  // namespace

EndedConnection EndedConnection::Of(const ConnectionRecord& record) {
  EndedConnection ended;
  ended.id = record.id;
  ended.peer = record.peer;
  if (record.proxied != nullptr) ended.proxied_by = record.proxied->by.ToString();
  ended.listener = *record.listener;
  if (record.routed) ended.route = record.route->name;
  ended.end = record.end;
  return ended;
}

EndedConnection EndedConnection::Of(const Connection& connection) {
  const ConnectionRecord& record = connection.record();
  const Bridge& bridge = connection.bridge();
  EndedConnection ended = Of(record);
  ended.backend = connection.backend();
  const proxy_protocol::Malformed malformed = connection.malformed_proxy_header();
  if (malformed != proxy_protocol::Malformed::kNone) {
    ended.detail = Copy(proxy_protocol::MalformedName(malformed));
  }
  ended.duration = record.ended_at - record.accepted_at;
  ended.bytes_received = bridge.bytes_received();
  ended.bytes_sent = bridge.bytes_sent();
  ended.bytes_dropped = bridge.dropped_bytes();
  ended.server_name = record.server_name;
  if (const Greeting::Offer* offer = connection.offer(); offer != nullptr) {
    ended.alpn_offered = offer->alpn;
    ended.versions_offered = VersionNames(offer->versions);
  }
  if (const tls::ClientSession* const client = bridge.client_tls(); client != nullptr) {
    ended.client = Copy(client->client_identity());
    ended.allowed_by = Copy(client->allowed_by());
    ended.refused_client = Copy(client->refused_identity());
    if (client->would_refuse().detail != tls::FailureDetail::kNone) {
      ended.would_refuse = tls::Describe(client->would_refuse());
    }
    ended.tls = FactsOf(client);
    if (ended.tls.done) ended.handshake = record.client_ready_at - record.accepted_at;
  }
  ended.connect = Between(record.connecting_since, record.connected_at);
  ended.first_byte = Between(record.connected_at, record.first_answer_at);
  ended.backend_tls = FactsOf(bridge.backend_tls());
  return ended;
}

void EndedConnection::AppendTo(LogLine* line) const {
  line->Number("id", id).Text("peer", peer.ToString());
  if (!proxied_by.empty()) line->Text("proxied_by", proxied_by);
  line->Text("listener", listener.ToString());
  if (!route.empty()) line->Text("route", route);
  if (!backend.empty()) line->Text("backend", backend);
  AppendEnd(end, line);
  if (!detail.empty()) line->Text("detail", detail);
  if (by_kernel) line->Text("engine", "nftables");
  if (duration) line->Milliseconds("duration_ms", *duration);
  if (by_kernel) {
    if (bytes_received) line->Number("ip_bytes_received", *bytes_received);
    if (bytes_sent) line->Number("ip_bytes_sent", *bytes_sent);
  } else {
    if (bytes_received) line->Number("bytes_received", *bytes_received);
    if (bytes_sent) line->Number("bytes_sent", *bytes_sent);
  }
  if (bytes_dropped > 0) line->Number("bytes_dropped", bytes_dropped);
  if (server_name) line->Text("sni", *server_name);
  if (alpn_offered) {
    line->Text("alpn_offered", *alpn_offered).Text("versions_offered", versions_offered);
  }
  if (!client.empty()) {
    line->Text("client", client);
    if (!allowed_by.empty()) line->Text("allowed_by", allowed_by);
  }
  if (!refused_client.empty()) line->Text("refused_client", refused_client);
  if (!would_refuse.empty()) line->Text("would_refuse", would_refuse);
  if (const absl::string_view hint = HintOf(end, server_name); !hint.empty()) {
    line->Text("hint", hint);
  }
  if (tls.done) {
    line->Text("tls", tls.version)
        .Text("cipher", tls.cipher)
        .Text("group", tls.group)
        .Flag("resumed", tls.resumed);
    if (!tls.alpn.empty()) line->Text("alpn", tls.alpn);
  }
  if (handshake) line->Milliseconds("handshake_ms", *handshake);
  if (connect) line->Milliseconds("connect_ms", *connect);
  if (first_byte) line->Milliseconds("first_byte_ms", *first_byte);
  if (backend_tls.done) {
    line->Text("backend_tls", backend_tls.version)
        .Text("backend_cipher", backend_tls.cipher)
        .Flag("backend_resumed", backend_tls.resumed);
    if (!backend_tls.alpn.empty()) line->Text("backend_alpn", backend_tls.alpn);
  }
}

}  // namespace tlsbridge
