// Text as the bytes that it is. Any thread; `text` outlives the view.
#pragma once

#include <stdint.h>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace tlsbridge {

inline absl::Span<const uint8_t> AsBytes(absl::string_view text) {
  return absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(text.data()), text.size());
}

}  // namespace tlsbridge
