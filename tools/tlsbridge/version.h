// The program's version, as released.
#ifndef TLSBRIDGE_TOOLS_TLSBRIDGE_VERSION_H_
#define TLSBRIDGE_TOOLS_TLSBRIDGE_VERSION_H_

namespace tlsbridge {

inline constexpr char kVersion[] = "0.1.0";

}  // namespace tlsbridge

#endif  // TLSBRIDGE_TOOLS_TLSBRIDGE_VERSION_H_
