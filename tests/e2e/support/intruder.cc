// Stands in for somebody who has taken over a thread of the program: loaded into it, it waits for
// the file INTRUDER_TRIGGER, then does in the next accept4(), on the thread that makes it, what the
// sandbox must not let it do, and writes to INTRUDER_REPORT, opened before, what became of each.
//
// Thread: the program's. Failure: its purpose.

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>

namespace {

int g_report = -1;
const char* g_trigger = nullptr;
std::atomic<bool> g_done{false};

__attribute__((constructor)) void Begin() {
  g_trigger = getenv("INTRUDER_TRIGGER");
  const char* const path = getenv("INTRUDER_REPORT");
  if (path != nullptr) g_report = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

void Report(const char* what, long result) {
  char line[128];
  const int length = snprintf(line, sizeof(line), "%s %s\n", what,
                              result < 0 ? strerrorname_np(errno) : "succeeded");
  if (write(g_report, line, static_cast<size_t>(length)) < 0) abort();
}

void Intrude() {
  Report("read_other_file", open("/etc/passwd", O_RDONLY | O_CLOEXEC));
  Report("read_own_binary", open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  Report("write_file", open("/tmp/tlsbridge-intruder", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  Report("overwrite_certificate", open(getenv("INTRUDER_CERTIFICATE"), O_WRONLY | O_CLOEXEC));
  Report("make_folder", mkdir("/tmp/tlsbridge-intruder-folder", 0700));
  char shell[] = "/bin/sh";
  char* arguments[] = {shell, nullptr};
  char* environment[] = {nullptr};
  Report("exec", execve(shell, arguments, environment));
  Report("fork", syscall(SYS_fork));
  Report("clone_process", syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr));
  Report("clone3", syscall(SYS_clone3, nullptr, 0));
  Report("ptrace", ptrace(PTRACE_ATTACH, getppid(), nullptr, nullptr));
  Report("signal_others", kill(getppid(), 0));
  Report("packet_socket", socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
  Report("raw_socket", socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP));
  Report("vsock_socket", socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0));
  Report("audit_socket", socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 9));
  void* const code =
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  Report("code_in_memory", code == MAP_FAILED ? -1 : 0);
  void* const data =
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  Report("data_as_code", mprotect(data, 4096, PROT_READ | PROT_EXEC));
  Report("mount", mount("none", "/tmp", "tmpfs", 0, nullptr));
  Report("other_user", syscall(SYS_setuid, 0));
  Report("bpf", syscall(SYS_bpf, 0, nullptr, 0));
  Report("io_uring", syscall(SYS_io_uring_setup, 1, nullptr));
  Report("module", syscall(SYS_init_module, nullptr, 0, ""));
  Report("end", 0);
}

}  // namespace

extern "C" int accept4(int fd, sockaddr* address, socklen_t* length, int flags) {
  using Real = int (*)(int, sockaddr*, socklen_t*, int);
  static const auto real = reinterpret_cast<Real>(dlsym(RTLD_NEXT, "accept4"));
  if (g_trigger != nullptr && access(g_trigger, F_OK) == 0 && !g_done.exchange(true)) Intrude();
  return real(fd, address, length, flags);
}
