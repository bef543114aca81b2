// One rule as the expressions of nf_tables, in the order in which nft puts them, so that nft reads
// them back as the text that RulesetText() gives.
//
// Thread: any; pure. Failure: none.
#pragma once

#include "absl/strings/string_view.h"
#include "router/kernel/netlink/writer.h"
#include "router/kernel/ruleset.h"

namespace tlsbridge::kernel {

// Adds NFTA_RULE_EXPRESSIONS to the message that `out` is at.
void EncodeRule(const Rule& rule, netlink::Writer* out);

// An NFTA_DATA_VERDICT: what a rule, or an element of a map, says to do.
void EncodeVerdict(const Verdict& verdict, netlink::Writer* out);

}  // namespace tlsbridge::kernel
