// /status for a terminal: the page, and the live table of `top`.

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "tools/tlsbridge/admin_text.h"

namespace tlsbridge {
namespace {

// The most frequent ends that were no orderly ones, "econnreset 3, truncated 1".
std::string EndsText(const AdminJson& ended, size_t most) {
  std::vector<std::pair<double, std::string>> ends;
  if (!ended.is_object()) return "";
  for (const auto& [reason, count] : ended.items()) {
    if (reason == "closed_incoming" || reason == "closed_outgoing") continue;
    if (count.is_number()) ends.emplace_back(count.get<double>(), reason);
  }
  std::stable_sort(ends.begin(), ends.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::string text;
  for (size_t i = 0; i < std::min(ends.size(), most); ++i) {
    absl::StrAppend(&text, i == 0 ? "" : ", ", ends[i].second, " ", Short(ends[i].first));
  }
  if (ends.size() > most) absl::StrAppend(&text, ", ...");
  return text;
}

std::string Quantiles(const AdminJson& durations) {
  if (NumberOf(durations, "count") == 0) return "-";
  return absl::StrCat(Span(NumberOf(durations, "p50_seconds")), " / ",
                      Span(NumberOf(durations, "p99_seconds")));
}

std::string Pair(const AdminJson& limits, const char* key) {
  const AdminJson& pair = MemberOf(limits, key);
  return absl::StrCat(Short(NumberOf(pair, "now")), " of ", Short(NumberOf(pair, "limit")));
}

std::string HeadText(const AdminJson& status) {
  return absl::StrCat(TextOf(status, "verdict"), "\n", "tlsbridge ", TextOf(status, "version"),
                      ", pid ", TextOf(status, "pid"), ", up ",
                      Span(NumberOf(status, "uptime_seconds")), "\n");
}

std::string ProblemsText(const AdminJson& status) {
  std::string text;
  for (const AdminJson& problem : MemberOf(status, "problems")) {
    absl::StrAppend(&text, "\n! ", TextOf(problem, "kind"), " ", TextOf(problem, "subject"));
    const std::string since = TextOf(problem, "since");
    if (since != "-") absl::StrAppend(&text, " since ", since);
    absl::StrAppend(&text, "\n  ", TextOf(problem, "message"), "\n  -> ", TextOf(problem, "hint"),
                    "\n");
  }
  return text;
}

// Of the route of that name in a document of before; null if there was none.
const AdminJson* RouteOf(const AdminJson& status, const std::string& name) {
  for (const AdminJson& route : MemberOf(status, "routes")) {
    if (TextOf(route, "name") == name) return &route;
  }
  return nullptr;
}

}  // namespace

std::string StatusText(const AdminJson& status) {
  std::string text = HeadText(status);
  absl::StrAppend(&text, ProblemsText(status), "\n");

  TextTable routes({"ROUTE", "MODE", "OPEN", "OPENED", "FAILURES", "RECEIVED", "SENT",
                    "HANDSHAKE p50/p99", "CONNECT p50/p99", "ENDS"});
  TextTable backends(
      {"BACKEND", "ROUTE", "STATE", "SINCE", "OPEN", "DIALLED", "FAILED", "LAST ERROR"});
  for (const AdminJson& route : MemberOf(status, "routes")) {
    routes.Add({TextOf(route, "name"),
                MemberOf(route, "down").is_string() ? "DOWN" : TextOf(route, "mode"),
                Short(NumberOf(route, "open")), Short(NumberOf(route, "opened")),
                Short(NumberOf(route, "failures")), Short(NumberOf(route, "bytes_received")),
                Short(NumberOf(route, "bytes_sent")), Quantiles(MemberOf(route, "handshake")),
                Quantiles(MemberOf(route, "connect")), EndsText(MemberOf(route, "ended"), 3)});
    for (const AdminJson& backend : MemberOf(route, "backends")) {
      backends.Add({TextOf(backend, "name"), TextOf(route, "name"), TextOf(backend, "state"),
                    TextOf(backend, "since"), Short(NumberOf(backend, "connections")),
                    Short(NumberOf(backend, "dialled")), Short(NumberOf(backend, "failed")),
                    TextOf(backend, "last_error")});
    }
  }
  absl::StrAppend(&text, routes.ToString());
  const std::string unrouted = EndsText(MemberOf(MemberOf(status, "unrouted"), "ended"), 5);
  if (!unrouted.empty()) absl::StrAppend(&text, "before a route was chosen: ", unrouted, "\n");
  if (!backends.empty()) absl::StrAppend(&text, "\n", backends.ToString());

  TextTable certificates({"ENDS", "LEFT", "KIND", "ROUTE", "FILE"});
  for (const AdminJson& file : MemberOf(status, "certificates")) {
    const double left = NumberOf(file, "seconds_left");
    certificates.Add({TextOf(file, "not_after"), left < 0 ? "expired" : Span(left),
                      TextOf(file, "kind"), TextOf(file, "route"), TextOf(file, "file")});
  }
  if (!certificates.empty()) absl::StrAppend(&text, "\n", certificates.ToString());

  const AdminJson& limits = MemberOf(status, "limits");
  const AdminJson& reloads = MemberOf(status, "reloads");
  const AdminJson& renewals = MemberOf(status, "renewals");
  const AdminJson& log = MemberOf(status, "log");
  absl::StrAppend(&text, "\nconnections ", Pair(limits, "connections"), ", handshakes waiting ",
                  Pair(limits, "handshakes_waiting"), ", descriptors ", Pair(limits, "descriptors"),
                  ", memory ", Pair(limits, "memory_bytes"), " bytes\n");
  absl::StrAppend(&text, "reloads accepted ", TextOf(reloads, "taken"), ", refused ",
                  TextOf(reloads, "refused"), "; files renewed ", TextOf(renewals, "taken"),
                  ", refused ", TextOf(renewals, "refused"), "; log level ", TextOf(log, "level"),
                  ", lines lost ", TextOf(log, "lines_lost"), ", folded ",
                  TextOf(log, "lines_folded"), "\n");
  for (const AdminJson& loop : MemberOf(status, "loops")) {
    absl::StrAppend(&text, TextOf(loop, "name"), ": ", TextOf(loop, "connections"),
                    " connections, lag p99 ", Span(NumberOf(loop, "lag_p99_seconds")), "\n");
  }
  return text;
}

std::string TopText(const AdminJson& status, const AdminJson& before, int rows, int columns) {
  const double seconds =
      std::max(NumberOf(status, "uptime_seconds") - NumberOf(before, "uptime_seconds"), 0.001);
  std::string text = HeadText(status);
  const AdminJson& limits = MemberOf(status, "limits");
  absl::StrAppend(&text, "connections ", Pair(limits, "connections"), ", handshakes waiting ",
                  Pair(limits, "handshakes_waiting"), "\n");
  for (const AdminJson& problem : MemberOf(status, "problems")) {
    absl::StrAppend(&text, "! ", TextOf(problem, "subject"), ": ", TextOf(problem, "message"),
                    "\n");
  }
  absl::StrAppend(&text, "\n");

  // All but the ends fits 80 columns.
  const auto narrow = [](const AdminJson& durations) {
    return absl::StrReplaceAll(Quantiles(durations), {{" / ", "/"}});
  };
  struct Row {
    double rate;
    std::vector<std::string> cells;
  };
  std::vector<Row> found;
  for (const AdminJson& route : MemberOf(status, "routes")) {
    const AdminJson* const was = RouteOf(before, TextOf(route, "name"));
    const auto rate = [&](const char* key) {
      if (was == nullptr) return 0.0;
      return std::max(NumberOf(route, key) - NumberOf(*was, key), 0.0) / seconds;
    };
    found.push_back({rate("opened") + NumberOf(route, "open"),
                     {TextOf(route, "name"), Short(NumberOf(route, "open")), Short(rate("opened")),
                      Short(rate("failures")), Short(rate("bytes_received")),
                      Short(rate("bytes_sent")), narrow(MemberOf(route, "handshake")),
                      narrow(MemberOf(route, "connect")), EndsText(MemberOf(route, "ended"), 2)}});
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const Row& a, const Row& b) { return a.rate > b.rate; });
  TextTable table({"ROUTE", "OPEN", "NEW/s", "FAIL/s", "IN B/s", "OUT B/s", "TLS p50/p99",
                   "CONNECT p50/p99", "ENDS"});
  for (Row& row : found) table.Add(std::move(row.cells));
  absl::StrAppend(&text, table.ToString());

  // What fits, so that the terminal does not scroll.
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  lines.pop_back();
  if (lines.size() > static_cast<size_t>(std::max(rows - 1, 1))) {
    lines.resize(static_cast<size_t>(std::max(rows - 1, 1)));
  }
  std::string screen;
  for (const std::string& line : lines) {
    absl::StrAppend(&screen, line.substr(0, static_cast<size_t>(std::max(columns, 20))), "\n");
  }
  return screen;
}

}  // namespace tlsbridge
