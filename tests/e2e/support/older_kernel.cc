// Runs a command as on a kernel that was built without a part of the sandbox:
// older_kernel landlock|seccomp COMMAND...
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string>

namespace {

// From now on the system call is one that the kernel does not know.
void Forget(unsigned call) {
  sock_filter program[] = {
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, call},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | ENOSYS},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
  };
  const sock_fprog filter = {sizeof(program) / sizeof(program[0]), program};
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0) return;
  perror("older_kernel: prctl");
  _exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string part = argc > 2 ? argv[1] : "";
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (part == "landlock") {
    Forget(SYS_landlock_create_ruleset);
  } else if (part == "seccomp") {
    Forget(SYS_seccomp);
  } else {
    fputs("usage: older_kernel landlock|seccomp COMMAND...\n", stderr);
    return 2;
  }
  execv(argv[2], argv + 2);
  perror("older_kernel: execv");
  return 1;
}
