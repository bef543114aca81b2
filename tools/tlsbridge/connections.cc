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
    "Lists the connections that are open in a running process.\n"
    "Exits with 0, or with 2 if it could not be asked.\n"
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
  if (next != "-") Print(absl::StrCat("there are more: --after ", next, "\n"));
  return kExitOk;
}

}  // namespace

AdminCommand ConnectionsCommand() {
  return {"connections",
          "those that are open, by route, peer, state",
          nullptr,
          kUsage,
          {{"route", "Only those of this route."},
           {"peer", "Only those of this client: an address, a block of them, IP:PORT, or unix:."},
           {"state",
            "Only those in this state: peeking, handshaking, routing, connecting, bridging, "
            "half-closed or draining."},
           {"reason", "Only those whose end is decided, for this reason."},
           {"limit", "As many at most.", "10000"},
           {"after", "Those with greater ids: what the list before has told."}},
          &Run};
}

}  // namespace tlsbridge
