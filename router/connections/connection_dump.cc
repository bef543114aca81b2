#include "router/connections/connection_dump.h"

#include <nlohmann/json.hpp>

namespace tlsbridge {
namespace {

using Json = nlohmann::ordered_json;

Json Pauses(const Endpoint* endpoint) {
  Json reasons = Json::array();
  if (endpoint == nullptr) return reasons;
  if (endpoint->pauses() & Endpoint::kOtherSideFull) reasons.push_back("other_side_full");
  if (endpoint->pauses() & Endpoint::kStreamEnded) reasons.push_back("stream_ended");
  if (endpoint->pauses() & Endpoint::kAwaitsTurn) reasons.push_back("awaits_turn");
  return reasons;
}

double Milliseconds(absl::Duration duration) {
  return absl::ToDoubleMilliseconds(absl::Trunc(duration, absl::Microseconds(1)));
}

double Seconds(absl::Duration duration) {
  return absl::ToDoubleSeconds(absl::Trunc(duration, absl::Milliseconds(1)));
}

}  // namespace

std::string DumpConnection(const Connection& connection, absl::Time now) {
  const ConnectionRecord& record = connection.record();
  const Bridge& bridge = connection.bridge();
  Json json;
  json["id"] = record.id;
  json["peer"] = record.peer.ToString();
  json["listener"] = record.listener == nullptr ? "-" : record.listener->ToString();
  json["route"] = record.route->name;
  json["backend"] = connection.backend();
  json["state"] = BridgeStateName(bridge.state());
  if (record.cleanup_started) {
    const absl::string_view reason = TerminationReasonName(record.end.reason);
    json["reason"] = std::string(reason.data(), reason.size());
  }
  json["age_seconds"] = Seconds(now - record.accepted_at);
  json["idle_seconds"] = Seconds(now - bridge.last_activity());
  json["bytes_received"] = bridge.bytes_received();
  json["bytes_sent"] = bridge.bytes_sent();
  json["queued_to_client"] = bridge.queued_to_client();
  json["queued_to_backend"] = bridge.queued_to_backend();
  json["client_reads_paused"] = Pauses(&bridge.incoming());
  json["backend_reads_paused"] = Pauses(bridge.outgoing());
  Json timers = Json::array();
  if (const Deadline end = connection.EndsBy(); end.at < absl::InfiniteFuture()) {
    const absl::string_view reason = TerminationReasonName(end.reason);
    timers.push_back({{"timer", record.cleanup_started ? "grace" : "deadline"},
                      {"reason", std::string(reason.data(), reason.size())},
                      {"in_seconds", Seconds(end.at - now)}});
  }
  json["timers"] = std::move(timers);
  if (const tls::Session* session = bridge.client_tls(); session != nullptr) {
    json["tls"] = session->version();
    json["cipher"] = session->cipher();
    if (session->handshake_done()) {
      json["group"] = session->group();
      json["resumed"] = session->resumed();
      if (!session->alpn().empty()) json["alpn"] = std::string(session->alpn());
      json["handshake_ms"] = Milliseconds(record.client_ready_at - record.accepted_at);
    }
    if (!bridge.client_tls()->client_identity().empty()) {
      json["client"] = std::string(bridge.client_tls()->client_identity());
    }
  }
  if (record.connected_at < absl::InfiniteFuture()) {
    json["connect_ms"] = Milliseconds(record.connected_at - record.connecting_since);
  }
  if (record.first_answer_at < absl::InfiniteFuture()) {
    json["first_byte_ms"] = Milliseconds(record.first_answer_at - record.connected_at);
  }
  if (const tls::Session* backend = bridge.backend_tls();
      backend != nullptr && backend->handshake_done()) {
    json["backend_tls"] = backend->version();
  }
  json["sni"] = record.server_name;
  return json.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
}

}  // namespace tlsbridge
