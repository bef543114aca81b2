// The page at /: page.html, as embed.py makes it a part of the program.
//
// Thread: any. Failure: none.
#pragma once

#include "absl/strings/string_view.h"

namespace tlsbridge {

absl::string_view PageText();
absl::string_view PagePacked();  // the same by gzip
absl::string_view PagePolicy();  // its Content-Security-Policy

}  // namespace tlsbridge
