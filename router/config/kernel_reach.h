// What the kernel's packet filter can listen to and forward to. What it cannot is refused when a
// configuration is read; of what is learnt later, such as the addresses of a name, it is left out.
//
// Thread: any; pure. Failure: none.
#pragma once

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "bridge/socket_address.h"
#include "router/config/config.h"

namespace tlsbridge {

// Why not, as a clause about it; empty if it can.
absl::string_view WhyKernelCannotServe(const Listener& listener);
absl::string_view WhyKernelCannotForwardTo(const SocketAddress& backend);

// Whether the kernel forwards any route of it.
bool KernelForwardsAny(const Config& config);

// The kernel counts in ticks of a millisecond at the finest, in 32 bits. It also stands for "none".
inline constexpr absl::Duration kLongestKernelTimeout = absl::Seconds(4'000'000);

}  // namespace tlsbridge
