// The reference's prose: what comes before its tables of keys, and after them.
//
// Thread: any; immutable. Failure: none; tests check its examples and read its lists.
#pragma once

#include "absl/strings/string_view.h"

namespace tlsbridge::yaml {

absl::string_view ReferenceIntroduction();
absl::string_view ReferenceExplanations();

}  // namespace tlsbridge::yaml
