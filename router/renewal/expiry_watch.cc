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
  const absl::Time now = loop_->clock().Wall();
  std::map<std::string, Told> told;
  absl::Time next = now + kLooksEvery;
  const auto look = [&](absl::string_view route, const std::string& file, absl::Time not_before,
                        absl::Time not_after) {
    const absl::Time soon = not_after - std::min((not_after - not_before) * kLastPart, kMostNotice);
    for (const absl::Time due : {soon, not_after}) {
      if (due > now) next = std::min(next, due);
    }
    if (now < soon) return;
    const bool expired = now > not_after;
    const auto before = told_.find(file);
    if (before != told_.end() && before->second.expired == expired &&
        now < before->second.when + kTellsEvery) {
      told.insert(*before);
      return;
    }
    // A file that several routes serve is told of once.
    if (!told.emplace(file, Told{now, expired}).second) return;
    LogEvent(expired ? LogLevel::kError : LogLevel::kWarning,
             expired ? "certificate_expired" : "certificate_expires_soon")
        .Text("route", route)
        .Text("file", file)
        .Text("not_after", Utc(not_after));
  };
  for (const LiveRoute& route : served_().routes()) {
    for (const auto& set : route.tls.files.certificates) {
      look(route.settings->name, set.content->name, set.content->not_before,
           set.content->not_after);
    }
    const BackendCredentials* const backend = route.tls.files.backend.content.get();
    if (backend == nullptr || backend->certificate.chain.empty()) continue;
    const tls::Validity validity = tls::ValidityOf(backend->certificate);
    look(route.settings->name, backend->certificate.name, validity.not_before, validity.not_after);
  }
  told_ = std::move(told);
  timer_.ArmAfter(std::max(next - now, kLeastPause));
}

}  // namespace tlsbridge
