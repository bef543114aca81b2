// The program's version, as released.
#pragma once

namespace tlsbridge {

inline constexpr char kVersion[] = "0.1.0";

}  // namespace tlsbridge
