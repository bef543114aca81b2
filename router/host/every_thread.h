// Does something in every thread of the process: what the kernel lets a thread do to itself only,
// such as to give up a right, and would be worth nothing if one thread kept it.
//
// Each thread is interrupted by a signal, wherever it is. glibc does the same for setuid(2).
//
// Thread: main's, while nobody makes threads. `act` runs in signal handlers: system calls only. It
// returns 0 or an errno. Failure: the first errno; ETIMEDOUT if a thread does not come.
#pragma once

namespace tlsbridge {

int InEveryThread(int (*act)(void* context), void* context);

}  // namespace tlsbridge
