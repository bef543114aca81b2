#include "router/connections/recent_ends.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "router/log/log.h"

namespace tlsbridge {
namespace {

void Shorten(std::string* text) {
  if (text->size() > RecentEnds::kMostText) *text = text->substr(0, RecentEnds::kMostText);
}

bool Wants(const RecentEnds::Query& query, const EndedConnection& ended) {
  if (query.id && ended.id != *query.id) return false;
  if (query.filter.reason && ended.end.reason != *query.filter.reason) return false;
  if (query.filter.route && ended.route != *query.filter.route) return false;
  return query.filter.MatchesPeer(ended.peer);
}

std::string ToJson(const EndedConnection& ended) {
  LogLine fields(LogFormat::kJson, "connection_end");
  ended.AppendTo(&fields);
  return absl::StrCat("{\"time\":\"",
                      absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", ended.at, absl::UTCTimeZone()),
                      "\",\"fields\":{", fields.text(), "}}");
}

}  // namespace

void RecentEnds::Add(EndedConnection ended) {
  ended.alpn_offered.reset();  // of failures
  if (ended.server_name) Shorten(&*ended.server_name);
  for (std::string* text : {&ended.client, &ended.allowed_by, &ended.refused_client,
                            &ended.tls.alpn, &ended.backend_tls.alpn}) {
    Shorten(text);
  }
  if (kept_.size() < kMost) return kept_.push_back(std::move(ended));
  kept_[next_] = std::move(ended);
  next_ = (next_ + 1) % kMost;
}

std::vector<RecentEnds::Found> RecentEnds::Find(const Query& query) const {
  std::vector<Found> found;
  for (size_t i = 0; i < kept_.size() && found.size() < query.limit; ++i) {
    const EndedConnection& ended = kept_[(next_ + kept_.size() - 1 - i) % kept_.size()];
    if (Wants(query, ended)) found.push_back({ended.at, ToJson(ended)});
  }
  return found;
}

}  // namespace tlsbridge
