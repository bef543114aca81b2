// How the program's commands end.
#pragma once

namespace tlsbridge {

inline constexpr int kExitOk = 0;
// Of commands that ask a running process: it has problems, or the answer is no.
inline constexpr int kExitProblems = 1;
// Bad flags, files or addresses: nothing was started.
inline constexpr int kExitUsage = 2;
// Out of memory, or a library found itself broken, while it was serving.
inline constexpr int kExitCannotGoOn = 3;
// Of `status`: the process is not ready.
inline constexpr int kExitNotReady = 3;

}  // namespace tlsbridge
