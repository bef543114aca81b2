#include "router/live/tls_warnings.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace tlsbridge {
namespace {

// Whether a certificate for `name` is good for some client of `domain`. Both may be "*.NAME", where
// the star is one label.
bool Fits(absl::string_view name, absl::string_view domain) {
  if (name == domain) return true;
  const auto covers = [](absl::string_view wildcard, absl::string_view other) {
    if (!absl::StartsWith(wildcard, "*.")) return false;
    const size_t dot = other.find('.');
    return dot != absl::string_view::npos && other.substr(dot) == wildcard.substr(1);
  };
  return covers(name, domain) || covers(domain, name);
}

void WarnOfNames(const Route& route, const RouteFiles& files, std::vector<std::string>* warnings) {
  if (files.certificates.empty()) return;
  for (const std::string& domain : route.match.domains) {
    if (domain == "*") continue;
    const bool fits = std::any_of(
        files.certificates.begin(), files.certificates.end(), [&domain](const auto& set) {
          const std::vector<std::string>& names = set.content->server_names;
          return std::any_of(names.begin(), names.end(),
                             [&domain](const std::string& name) { return Fits(name, domain); });
        });
    if (fits) continue;
    warnings->push_back(absl::StrCat(files.certificates.front().content->name,
                                     ": no certificate of this route is for ", domain,
                                     ", so that clients will refuse the one that they get"));
  }
}

void Append(const std::vector<std::string>& more, std::vector<std::string>* warnings) {
  warnings->insert(warnings->end(), more.begin(), more.end());
}

}  // namespace

std::vector<std::string> TlsWarnings(const Route& route, const RouteTls& tls) {
  const RouteFiles& files = tls.files;
  std::vector<std::string> warnings;
  for (const auto& set : files.certificates) Append(set.content->warnings, &warnings);
  WarnOfNames(route, files, &warnings);
  if (!files.tickets_warning.empty()) warnings.push_back(files.tickets_warning);
  if (files.clients.content != nullptr) Append(files.clients.content->trust.warnings, &warnings);
  if (files.backend.content != nullptr) {
    Append(files.backend.content->certificate.warnings, &warnings);
    Append(files.backend.content->trust.warnings, &warnings);
  }
  ForEachFileSet(tls, [&warnings](const FileSetState& set) {
    if (!set.once) return;
    warnings.push_back(absl::StrCat(absl::StrJoin(set.paths, ", "),
                                    ": comes through a pipe, so that what came is served until a "
                                    "restart, and not renewed"));
  });
  if (tls.backend != nullptr && !tls.backend->verifies()) {
    warnings.emplace_back(
        "insecure_skip_verify is on: backends are not verified, and whoever answers in their place "
        "gets all that clients send");
  }
  return warnings;
}

}  // namespace tlsbridge
