// "tlsbridge why": the life of a connection in words, be it open or failed.

#include <algorithm>
#include <string>

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
    "address (10.0.0.7, or 10.0.0.7:51234). It knows open connections and the last 200 failed "
    "ones; one\n"
    "that ended normally has a line in the log.\n"
    "Exits with 0 if it knows one, with 1 if not, with 2 if the process cannot be reached.\n"
    "\n"
    "  tlsbridge why 4711\n";

bool IsOf(const std::string& peer, const std::string& client) {
  return peer == client || absl::StartsWith(peer, client + ":") ||
         absl::StartsWith(peer, "[" + client + "]:");
}

int Run(const AdminRequest& request) {
  uint64_t id = 0;
  const bool by_id = absl::SimpleAtoi(request.argument, &id);
  std::string target = "/connections";
  if (by_id) {
    AppendParameter("after", absl::StrCat(id - std::min<uint64_t>(id, 1)), &target);
    AppendParameter("limit", "1", &target);
  } else {
    AppendParameter("peer", request.argument, &target);
    AppendParameter("limit", "100", &target);
  }
  const auto open = request.client.GetJson(target);
  if (!open.ok()) return CannotAsk(open.status());
  const auto failed = request.client.GetJson("/failures");
  if (!failed.ok()) return CannotAsk(failed.status());

  AdminJson lives = {{"open", AdminJson::array()}, {"failed", AdminJson::array()}};
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
    tell(FailedLifeText(failure));
  }
  for (const AdminJson& connection : MemberOf(*open, "records")) {
    if (by_id && TextOf(connection, "id") != absl::StrCat(id)) continue;
    lives["open"].push_back(connection);
    tell(LifeText(connection));
  }
  if (request.json) {
    PrintJson(lives);
  } else if (text.empty()) {
    Print(
        absl::StrCat("neither an open connection nor one of the last failures: ", request.argument,
                     "; if it ended normally, the log has its line: connection_end ",
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
