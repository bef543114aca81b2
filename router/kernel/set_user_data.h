// What nft writes beside a set and reads when it lists it: how a key is to be shown that no type
// has a name for. The kernel keeps it and does not look at it.
//
// Thread: any; pure. Failure: none.
#pragma once

#include <string>

#include "router/kernel/ruleset.h"

namespace tlsbridge::kernel {

// Empty for sets that need none. As nft 1.0.6 writes it for "typeof numgen inc mod N : ip daddr .
// tcp dport": a map that says "typeof jhash" makes that version crash.
std::string SetUserData(const Set& set);

}  // namespace tlsbridge::kernel
