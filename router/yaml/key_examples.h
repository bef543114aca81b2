// An example of each key's value, in the order in which keys are listed: what most files have comes
// first.
//
// Thread: any; immutable. Failure: a key that is not listed comes last, without an example; a test
// finds it.
#pragma once

#include <stddef.h>

#include "absl/strings/string_view.h"

namespace tlsbridge::yaml {

// `path` as in "routes[].timeouts.handshake". Empty for a key that has keys of its own.
absl::string_view ExampleOf(absl::string_view path);

// Among all keys; less is sooner.
size_t PlaceOf(absl::string_view path);

}  // namespace tlsbridge::yaml
