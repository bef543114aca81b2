#include "router/live/renewal/expiry_watch.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "router/live/renewal/dated_files.h"
#include "router/log/log.h"

namespace tlsbridge {
namespace {

std::string Utc(absl::Time time) {
  if (time == absl::InfiniteFuture()) return "never";
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

}  // namespace

std::string CertificatesJson(const LiveConfig& live, absl::Time now) {
  nlohmann::json certificates = nlohmann::json::array();
  nlohmann::json others = nlohmann::json::array();
  for (const auto& route : live.routes()) {
    for (const auto& set : route->tls.files.certificates) {
      nlohmann::json certificate = {{"route", route->settings->name},
                                    {"file", set.content->name},
                                    {"names", set.content->server_names},
                                    {"not_before", Utc(set.content->not_before)},
                                    {"not_after", Utc(set.content->not_after)}};
      if (!set.problem.empty()) certificate["problem"] = set.problem;
      certificates.push_back(std::move(certificate));
    }
    ForEachDatedFile(*route, now, [&](const DatedFile& file) {
      if (absl::string_view(file.kind) == "certificate") return;
      nlohmann::json other = {{"route", route->settings->name},
                              {"kind", file.kind},
                              {"file", file.name},
                              {"from", Utc(file.from)},
                              {"until", Utc(file.until)}};
      if (!file.problem.empty()) other["problem"] = std::string(file.problem);
      others.push_back(std::move(other));
    });
  }
  // Names are a CA's, which may be anybody's: bytes that are no UTF-8 do not make it fail.
  return nlohmann::json{{"certificates", std::move(certificates)}, {"others", std::move(others)}}
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

ExpiryWatch::ExpiryWatch(EventLoop* loop, absl::AnyInvocable<const LiveConfig&()> served)
    : loop_(loop),
      served_(std::move(served)),
      timer_(
          loop, [this] { Check(); }, Timer::Of::kService) {}

absl::Time ExpiryWatch::SoonFor(const DatedFile& file) {
  return file.until - std::min((file.until - file.from) * kLastPart, kMostNotice);
}

void ExpiryWatch::Check() {
  const absl::Time now = loop_->clock().Wall();
  std::map<std::string, Reported> reported;
  absl::Time next = now + kLooksEvery;
  int lines = 0;
  for (const auto& route : served_().routes()) {
    ForEachDatedFile(*route, now, [&](const DatedFile& file) {
      const absl::Time soon = SoonFor(file);
      for (const absl::Time due : {soon, file.until}) {
        if (due > now) next = std::min(next, due);
      }
      if (now < soon) return;
      const bool expired = now > file.until;
      const std::string key = absl::StrCat(file.kind, " ", file.name);
      const auto before = reported_.find(key);
      if (before != reported_.end() && before->second.expired == expired &&
          before->second.until == file.until && now < before->second.when + kTellsEvery) {
        reported.insert(*before);
        return;
      }
      // A file that several routes use is reported of once.
      if (!reported.emplace(key, Reported{now, expired, file.until}).second) return;
      if (++lines > kMostLines) return;
      LogEvent(expired ? LogLevel::kError : LogLevel::kWarning,
               absl::StrCat(file.kind, expired ? "_expired" : "_expires_soon"))
          .Text("route", route->settings->name)
          .Text("file", file.name)
          .Text("not_after", Utc(file.until));
    });
  }
  if (lines > kMostLines) {
    LogEvent(LogLevel::kWarning, "expiries_omitted").Number("more", lines - kMostLines);
  }
  reported_ = std::move(reported);
  timer_.ArmAfter(std::max(next - now, kLeastPause));
}

}  // namespace tlsbridge
