// The system calls that this process may still make: seccomp(2), by a program that is made from one
// table (syscall_filter.cc).
//
// What is not in it fails with EPERM; what is newer than the table, and clone3(), whose arguments
// cannot be looked at, with ENOSYS, so that a newer libc falls back to what it did before.
//
// Thread: main's; takes effect in all, and in those made later. Failure: an errno.
#pragma once

#include <linux/filter.h>

#include <vector>

namespace tlsbridge {

// Empty on a processor whose calls are not known.
std::vector<sock_filter> SyscallProgram();

// REQUIRES: no_new_privs is set.
int FilterSyscalls(const std::vector<sock_filter>& program);

}  // namespace tlsbridge
