// Text of a man page, in the language of man(7).
//
// Thread: any; pure. Failure: none.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace tlsbridge {

// As it is: nothing in it is taken for markup.
std::string RoffText(absl::string_view text);

// The Markdown of our own pages: headings, paragraphs, lists, **bold**, `code`, and tables of keys,
// of which each row becomes an entry: key, then type and default, then what it is for.
std::string RoffOfMarkdown(absl::string_view markdown);

}  // namespace tlsbridge
