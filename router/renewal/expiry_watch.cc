#include "router/renewal/expiry_watch.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "router/log/log.h"

namespace tlsbridge {
namespace {

std::string Utc(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

}  // namespace

std::string CertificatesJson(const LiveConfig& live) {
  nlohmann::json list = nlohmann::json::array();
  for (const LiveRoute& route : live.routes()) {
    for (const auto& set : route.tls.files.certificates) {
      nlohmann::json certificate = {{"route", route.settings->name},
                                    {"file", set.content->name},
                                    {"names", set.content->server_names},
                                    {"not_before", Utc(set.content->not_before)},
                                    {"not_after", Utc(set.content->not_after)}};
      if (!set.problem.empty()) certificate["problem"] = set.problem;
      list.push_back(std::move(certificate));
    }
  }
  // Names are a CA's, which may be anybody's: bytes that are no UTF-8 do not make it fail.
  return nlohmann::json{{"certificates", std::move(list)}}.dump(
      -1, ' ', false, nlohmann::json::error_handler_t::replace);
}

ExpiryWatch::ExpiryWatch(EventLoop* loop, absl::AnyInvocable<const LiveConfig&()> served)
    : loop_(loop),
      served_(std::move(served)),
      timer_(
          loop, [this] { Look(); }, Timer::Of::kService) {}

void ExpiryWatch::Look() {
  timer_.ArmAfter(kLooksEvery);
  const absl::Time now = loop_->clock().Wall();
  std::map<std::string, Told> told;
  for (const LiveRoute& route : served_().routes()) {
    for (const auto& set : route.tls.files.certificates) {
      const tls::Credential& certificate = *set.content;
      const absl::Duration lifetime = certificate.not_after - certificate.not_before;
      if (now + std::min(lifetime * kLastPart, kMostNotice) < certificate.not_after) continue;
      const bool expired = now > certificate.not_after;
      const auto before = told_.find(certificate.name);
      if (before != told_.end() && before->second.expired == expired &&
          now < before->second.when + kTellsEvery) {
        told.insert(*before);
        continue;
      }
      // A file that several routes serve is told of once.
      if (!told.emplace(certificate.name, Told{now, expired}).second) continue;
      LogEvent(expired ? LogLevel::kError : LogLevel::kWarning,
               expired ? "certificate_expired" : "certificate_expires_soon")
          .Text("route", route.settings->name)
          .Text("file", certificate.name)
          .Text("not_after", Utc(certificate.not_after));
    }
  }
  told_ = std::move(told);
}

}  // namespace tlsbridge
