// "tlsbridge why": the life of a connection in words, be it open, or ended, well or badly.

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tools/tlsbridge/admin_command.h"
#include "tools/tlsbridge/admin_text.h"
#include "tools/tlsbridge/exit_codes.h"

namespace tlsbridge {
namespace {

constexpr char kUsage[] =
    "Shows what happened on a connection, and when: by its id in the log, or all of a client's by "
    "its\n"
    "address (10.0.0.7, or 10.0.0.7:51234). It knows open connections, the last 200 failed ones, "
    "and "
    "the\n"
    "last 1000 of each worker that ended normally; the log has a line of every other.\n"
    "Exits with 0 if it knows one, with 1 if not, with 2 if the process cannot be reached.\n"
    "\n"
    "  tlsbridge why 4711\n";

// Failures and ends, in the order in which they came.
std::vector<AdminJson> InOrder(std::vector<AdminJson> ended) {
  std::stable_sort(ended.begin(), ended.end(), [](const AdminJson& one, const AdminJson& other) {
    return TextOf(one, "time") < TextOf(other, "time");
  });
  return ended;
}

bool IsOf(const std::string& peer, const std::string& client) {
  return peer == client || absl::StartsWith(peer, client + ":") ||
         absl::StartsWith(peer, "[" + client + "]:");
}

int Run(const AdminRequest& request) {
  uint64_t id = 0;
  const bool by_id = absl::SimpleAtoi(request.argument, &id);
  std::string of_open = "/connections";
  std::string of_ended = "/ended";
  if (by_id) {
    AppendParameter("after", absl::StrCat(id - std::min<uint64_t>(id, 1)), &of_open);
    AppendParameter("limit", "1", &of_open);
    AppendParameter("id", absl::StrCat(id), &of_ended);
  } else {
    AppendParameter("peer", request.argument, &of_open);
    AppendParameter("limit", "100", &of_open);
    AppendParameter("peer", request.argument, &of_ended);
  }
  const auto open = request.client.GetJson(of_open);
  if (!open.ok()) return CannotAsk(open.status());
  const auto failed = request.client.GetJson("/failures");
  if (!failed.ok()) return CannotAsk(failed.status());

  // Asked for last: what ends meanwhile is not missed.
  const auto ended = request.client.GetJson(of_ended);
  if (!ended.ok()) return CannotAsk(ended.status());

  AdminJson lives = {{"open", AdminJson::array()},
                     {"failed", AdminJson::array()},
                     {"ended", MemberOf(*ended, "ended")}};
  std::vector<AdminJson> over(lives["ended"].begin(), lives["ended"].end());
  std::string text;
  const auto tell = [&text](const std::string& life) {
    absl::StrAppend(&text, text.empty() ? "" : "\n", life);
  };
  for (const AdminJson& failure : MemberOf(*failed, "failures")) {
    const AdminJson& fields = MemberOf(failure, "fields");
    const bool wanted = by_id ? TextOf(fields, "id") == absl::StrCat(id)
                              : IsOf(TextOf(fields, "peer"), request.argument);
    if (!wanted) continue;
    lives["failed"].push_back(failure);
    over.push_back(failure);
  }
  for (const AdminJson& life : InOrder(std::move(over))) tell(EndedLifeText(life));
  for (const AdminJson& connection : MemberOf(*open, "records")) {
    if (by_id && TextOf(connection, "id") != absl::StrCat(id)) continue;
    lives["open"].push_back(connection);
    tell(LifeText(connection));
  }
  if (request.json) {
    PrintJson(lives);
  } else if (text.empty()) {
    Print(absl::StrCat("no connection that is open or ended lately: ", request.argument,
                       "; if it ended long ago, the log has its line: connection_end ",
                       by_id ? "id=" : "peer=", request.argument, "\n"));
  } else {
    Print(text);
  }
  return text.empty() ? kExitProblems : kExitOk;
}

}  // namespace

AdminCommand WhyCommand() {
  return {"why", "what happened on a connection, in words", "ID|PEER", kUsage, {}, &Run};
}

}  // namespace tlsbridge
