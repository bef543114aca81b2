// Which events of connection tracking are worth reading: a flow's beginning, its connection, the
// first end of a stream, its end. The kernel leaves out the steps in between, a third of all: what
// they say the last event says, too.
//
// Thread: any; a constant. Failure: none; what is not understood is let through.
#pragma once

#include <linux/filter.h>

#include "absl/types/span.h"

namespace tlsbridge::kernel {

// For NetfilterSocket::Filter().
absl::Span<const sock_filter> FlowFilter();

}  // namespace tlsbridge::kernel
