// Which known word a mistyped one was meant to be.
//
// Thread: any. Failure: none; too long a word is nobody's slip.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace tlsbridge::yaml {

// The one that looks like a slip of `word`; empty for none.
std::string Nearest(absl::string_view word, const std::vector<std::string>& allowed);

// "; did you mean 'x'?" or nothing.
std::string DidYouMean(absl::string_view word, const std::vector<std::string>& allowed);

}  // namespace tlsbridge::yaml
