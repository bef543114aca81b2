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

void WarnOfNames(const Route& route, const RouteFiles& files, std::vector<RouteFinding>* warnings) {
  // One that could not be read may be for anything.
  if (files.certificates.empty() || files.certificates.size() < route.tls.certificates.size()) {
    return;
  }
  for (size_t i = 0; i < route.match.domains.size(); ++i) {
    const std::string& domain = route.match.domains[i];
    if (domain == "*") continue;
    const bool fits = std::any_of(
        files.certificates.begin(), files.certificates.end(), [&domain](const auto& set) {
          const std::vector<std::string>& names = set.content->server_names;
          return std::any_of(names.begin(), names.end(),
                             [&domain](const std::string& name) { return Fits(name, domain); });
        });
    if (fits) continue;
    warnings->push_back(
        {absl::StrCat("match.domains[", i, "]"),
         absl::StrCat("no certificate on this route covers ", domain,
                      "; clients asking for it will reject ",
                      files.certificates.front().content->name, ", which they are served")});
  }
}

void Append(const std::string& part, const std::vector<std::string>& more,
            std::vector<RouteFinding>* warnings) {
  for (const std::string& message : more) warnings->push_back({part, message});
}

template <typename T>
void WarnOfPipe(const std::string& part, const FileSet<T>& set,
                std::vector<RouteFinding>* warnings) {
  if (!set.once) return;
  warnings->push_back(
      {part,
       absl::StrCat(absl::StrJoin(set.paths, ", "),
                    ": is a pipe: its content is served until a restart, and never renewed")});
}

}  // namespace

std::vector<RouteFinding> TlsWarnings(const Route& route, const RouteTls& tls) {
  const RouteFiles& files = tls.files;
  std::vector<RouteFinding> warnings;
  for (size_t i = 0; i < files.certificates.size(); ++i) {
    const std::string part = absl::StrCat("tls.certificates[", i, "]");
    Append(part, files.certificates[i].content->warnings, &warnings);
    WarnOfPipe(part, files.certificates[i], &warnings);
  }
  WarnOfNames(route, files, &warnings);
  if (!files.tickets_warning.empty()) warnings.push_back({"tls.tickets", files.tickets_warning});
  WarnOfPipe("tls.tickets", files.tickets, &warnings);
  if (files.clients.content != nullptr) {
    Append("tls.client_auth", files.clients.content->trust.warnings, &warnings);
  }
  WarnOfPipe("tls.client_auth", files.clients, &warnings);
  if (files.backend.content != nullptr) {
    Append("backend_tls", files.backend.content->certificate.warnings, &warnings);
    Append("backend_tls", files.backend.content->trust.warnings, &warnings);
  }
  WarnOfPipe("backend_tls", files.backend, &warnings);
  if (tls.backend != nullptr && !tls.backend->verifies()) {
    warnings.push_back({"backend_tls.insecure_skip_verify",
                        "insecure_skip_verify is on: backends are not verified, so an impostor "
                        "receives everything that clients send"});
  }
  return warnings;
}

}  // namespace tlsbridge
