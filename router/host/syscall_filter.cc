#include "router/host/syscall_filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <initializer_list>

namespace tlsbridge {
namespace {

#if defined(__x86_64__)
constexpr uint32_t kMachine = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kMachine = AUDIT_ARCH_AARCH64;
#else
constexpr uint32_t kMachine = 0;
#endif

constexpr uint32_t kAllow = SECCOMP_RET_ALLOW;
constexpr uint32_t kDeny = SECCOMP_RET_ERRNO | EPERM;
constexpr uint32_t kUnknown = SECCOMP_RET_ERRNO | ENOSYS;
// The newest call that this table was made with a look at: cachestat(2), Linux 6.5.
constexpr uint32_t kNewest = 451;
constexpr uint32_t kSocketType = 0xf;  // below SOCK_NONBLOCK and SOCK_CLOEXEC

// One argument, as far as `mask` goes, is one of `values`, or none of them.
struct Condition {
  int argument;
  uint32_t mask;
  std::vector<uint32_t> values;
  bool none = false;
};

// A call, and what must all hold of it.
struct Rule {
  uint32_t call;
  std::vector<Condition> conditions;
};

// Looked at: these cost a little at each call, so they are the first.
std::vector<Rule> RulesWithConditions() {
  const std::vector<uint32_t> inet = {AF_INET, AF_INET6};
  return {
      // Nothing that was written becomes code.
      {SYS_mmap, {{2, PROT_EXEC, {0}}}},
      {SYS_mprotect, {{2, PROT_EXEC, {0}}}},
      // Threads, and no processes.
      {SYS_clone, {{0, CLONE_THREAD, {CLONE_THREAD}}}},
      // No packets by hand, and no family whose code hardly anybody uses.
      {SYS_socket, {{0, ~0U, {AF_UNIX}}}},
      {SYS_socket, {{0, ~0U, inet}, {1, kSocketType, {SOCK_STREAM, SOCK_DGRAM}}}},
      {SYS_socket, {{0, ~0U, {AF_NETLINK}}, {2, ~0U, {NETLINK_NETFILTER, NETLINK_ROUTE}}}},
      {SYS_prctl,
       {{0,
         ~0U,
         {PR_SET_NAME, PR_GET_NAME, PR_SET_NO_NEW_PRIVS, PR_GET_DUMPABLE, PR_CAPBSET_READ}}}},
      // Not what types into a terminal in its owner's name.
      {SYS_ioctl, {{1, ~0U, {TIOCSTI, TIOCLINUX, TIOCSETD}, /*none=*/true}}},
  };
}

const std::initializer_list<uint32_t> kPlain = {
    // What connections are made of.
    SYS_read,
    SYS_write,
    SYS_readv,
    SYS_writev,
    SYS_recvfrom,
    SYS_recvmsg,
    SYS_recvmmsg,
    SYS_sendto,
    SYS_sendmsg,
    SYS_sendmmsg,
    SYS_accept,
    SYS_accept4,
    SYS_connect,
    SYS_bind,
    SYS_listen,
    SYS_shutdown,
    SYS_close,
    SYS_getsockname,
    SYS_getpeername,
    SYS_getsockopt,
    SYS_setsockopt,
    SYS_socketpair,
    SYS_splice,
    SYS_tee,
    SYS_sendfile,
    // Waiting.
    SYS_epoll_create1,
    SYS_epoll_ctl,
    SYS_epoll_pwait,
    SYS_epoll_pwait2,
    SYS_ppoll,
    SYS_pselect6,
    SYS_eventfd2,
    SYS_signalfd4,
    SYS_timerfd_create,
    SYS_timerfd_settime,
    SYS_timerfd_gettime,
    SYS_futex,
    SYS_futex_waitv,
    SYS_nanosleep,
    SYS_clock_nanosleep,
    SYS_restart_syscall,
    SYS_pidfd_open,
    SYS_waitid,
    SYS_wait4,
    // Time and chance.
    SYS_clock_gettime,
    SYS_clock_getres,
    SYS_gettimeofday,
    SYS_times,
    SYS_getrandom,
    // Memory.
    SYS_brk,
    SYS_munmap,
    SYS_mremap,
    SYS_madvise,
    SYS_mincore,
    SYS_membarrier,
    SYS_mlock,
    SYS_munlock,
    // Files; which ones, Landlock says.
    SYS_openat,
    SYS_openat2,
    SYS_fstat,
    SYS_newfstatat,
    SYS_statx,
    SYS_fstatfs,
    SYS_statfs,
    SYS_faccessat,
    SYS_faccessat2,
    SYS_readlinkat,
    SYS_getdents64,
    SYS_getcwd,
    SYS_lseek,
    SYS_pread64,
    SYS_pwrite64,
    SYS_fcntl,
    SYS_dup,
    SYS_dup3,
    SYS_pipe2,
    SYS_unlinkat,
    SYS_fsync,
    SYS_fdatasync,
    SYS_fadvise64,
    SYS_close_range,
    SYS_inotify_init1,
    SYS_inotify_add_watch,
    SYS_inotify_rm_watch,
    // Threads and their signals; tgkill() ends this process, when it must end itself.
    SYS_set_robust_list,
    SYS_get_robust_list,
    SYS_set_tid_address,
    SYS_rseq,
    SYS_exit,
    SYS_exit_group,
    SYS_gettid,
    SYS_getpid,
    SYS_getppid,
    SYS_tgkill,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_rt_sigpending,
    SYS_rt_sigtimedwait,
    SYS_rt_sigsuspend,
    SYS_sigaltstack,
    SYS_sched_yield,
    SYS_sched_getaffinity,
    SYS_sched_setscheduler,
    SYS_sched_getscheduler,
    SYS_sched_getparam,
    SYS_sched_get_priority_max,
    SYS_sched_get_priority_min,
    SYS_getpriority,
    SYS_setpriority,
    SYS_getcpu,
    // Who and where it is.
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_getgroups,
    SYS_capget,
    SYS_uname,
    SYS_sysinfo,
    SYS_getrusage,
    SYS_prlimit64,
#if defined(__x86_64__)
    // What newer processors do without.
    SYS_open,
    SYS_stat,
    SYS_lstat,
    SYS_access,
    SYS_readlink,
    SYS_unlink,
    SYS_poll,
    SYS_select,
    SYS_epoll_wait,
    SYS_pipe,
    SYS_dup2,
    SYS_getrlimit,
    SYS_setrlimit,
    SYS_time,
    SYS_pause,
#endif
};

// ---- The program.

void Add(std::vector<sock_filter>* program, uint16_t code, uint32_t value, size_t if_true = 0,
         size_t if_false = 0) {
  program->push_back({code, static_cast<uint8_t>(if_true), static_cast<uint8_t>(if_false), value});
}

void Load(std::vector<sock_filter>* program, size_t offset) {
  Add(program, BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset));
}

// Goes on behind itself if the condition holds. Else to what is `skip` further on then.
void Encode(const Condition& condition, size_t skip, std::vector<sock_filter>* program) {
  // The lower half, which is the first on these processors.
  Load(program, offsetof(seccomp_data, args) + 8 * static_cast<size_t>(condition.argument));
  Add(program, BPF_ALU | BPF_AND | BPF_K, condition.mask);
  const size_t count = condition.values.size();
  for (size_t i = 0; i < count; ++i) {
    const size_t left = count - 1 - i;  // values behind this one
    const bool last = left == 0;
    if (condition.none) {
      Add(program, BPF_JMP | BPF_JEQ | BPF_K, condition.values[i], left + skip, 0);
    } else {
      Add(program, BPF_JMP | BPF_JEQ | BPF_K, condition.values[i], left, last ? skip : 0);
    }
  }
}

void Encode(const Rule& rule, std::vector<sock_filter>* program) {
  // From the back, since each must know what it skips.
  std::vector<sock_filter> body;
  Add(&body, BPF_RET | BPF_K, kAllow);
  for (auto condition = rule.conditions.rbegin(); condition != rule.conditions.rend();
       ++condition) {
    std::vector<sock_filter> head;
    Encode(*condition, body.size(), &head);
    body.insert(body.begin(), head.begin(), head.end());
  }
  Load(program, offsetof(seccomp_data, nr));
  Add(program, BPF_JMP | BPF_JEQ | BPF_K, rule.call, 0, body.size());
  program->insert(program->end(), body.begin(), body.end());
}

}  // namespace

std::vector<sock_filter> SyscallProgram() {
  std::vector<sock_filter> program;
  if (kMachine == 0) return program;
  Load(&program, offsetof(seccomp_data, arch));
  Add(&program, BPF_JMP | BPF_JEQ | BPF_K, kMachine, 1, 0);
  Add(&program, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);  // another processor's numbers
  for (const Rule& rule : RulesWithConditions()) Encode(rule, &program);
  Load(&program, offsetof(seccomp_data, nr));
  for (const uint32_t call : kPlain) {
    Add(&program, BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1);
    Add(&program, BPF_RET | BPF_K, kAllow);
  }
  Add(&program, BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 1, 0);
  Add(&program, BPF_JMP | BPF_JGT | BPF_K, kNewest, 0, 1);
  Add(&program, BPF_RET | BPF_K, kUnknown);
  Add(&program, BPF_RET | BPF_K, kDeny);
  return program;
}

int FilterSyscalls(const std::vector<sock_filter>& program) {
  sock_fprog filter = {static_cast<unsigned short>(program.size()),
                       const_cast<sock_filter*>(program.data())};
  const long result =
      syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter);
  if (result > 0) return EBUSY;  // a thread has a filter of its own
  return result < 0 ? errno : 0;
}

}  // namespace tlsbridge
