// "tlsbridge connections": those that are open in a running process.

#include <algorithm>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tools/tlsbridge/admin_command.h"
#include "tools/tlsbridge/admin_text.h"
#include "tools/tlsbridge/exit_codes.h"

namespace tlsbridge {
namespace {

constexpr char kUsage[] =
    "Lists the open connections of a running process.\n"
    "Exits with 0, or with 2 if it cannot be reached.\n"
    "\n"
    "  tlsbridge connections --route orders --peer 10.0.0.0/8\n";

int Run(const AdminRequest& request) {
  std::string target = "/connections";
  for (const char* const name : {"route", "reason", "peer", "state", "limit", "after"}) {
    if (request.flags.Has(name)) AppendParameter(name, request.flags.Value(name), &target);
  }
  const auto connections = request.client.GetJson(target);
  if (!connections.ok()) return CannotAsk(connections.status());
  if (request.json) {
    PrintJson(*connections);
    return kExitOk;
  }
  Print(ConnectionsText(*connections));
  const std::string next = TextOf(*connections, "next");
  if (next != "-") Print(absl::StrCat("there are more: continue with --after ", next, "\n"));
  return kExitOk;
}

}  // namespace

AdminCommand ConnectionsCommand() {
  return {
      "connections",
      "open connections, by route, peer or state",
      nullptr,
      kUsage,
      {{"route", "Only connections of this route."},
       {"peer", "Only connections of this client: an address, a CIDR block, IP:PORT, or unix:."},
       {"state",
        "Only connections in this state: peeking, handshaking, routing, connecting, bridging, "
        "half-closed or draining."},
       {"reason", "Only connections that are closing, for this reason."},
       {"limit", "Maximum number of connections to list.", "10000"},
       {"after", "Only connections with greater ids, to continue a list."}},
      &Run};
}

}  // namespace tlsbridge
