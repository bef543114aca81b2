// A library that is preloaded (LD_PRELOAD) into the program under test and makes the system fail as
// it does when it has too little of something. What the environment says is read once:
//
//   FAULT_ONE_ALLOCATION_IN=N  from the first accepted client on, one in N calls of malloc, calloc
//                              and realloc fails; FAULT_SEED draws others
//   FAULT_LEAST_BYTES=M        of those for so many bytes or more
//   FAULT_WATCHES=K            epoll watches K descriptors, then none (ENOSPC, epoll(7))
//   FAULT_THREADS=K            K threads can be had, then none (EAGAIN, pthread_create(3))
//   FAULT_DEAD_MOUNT=FOLDER    once FOLDER/dead exists, whoever opens a file of that folder hangs
//   FAULT_HUNG_LOG=FILE        once FILE exists, whoever writes to standard error hangs
//
// Thread: any. Failure: its purpose.

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>

extern "C" {
void* __libc_malloc(size_t bytes);                 // NOLINT: glibc's
void* __libc_calloc(size_t count, size_t bytes);   // NOLINT
void* __libc_realloc(void* memory, size_t bytes);  // NOLINT
}

namespace {

int64_t Setting(const char* name, int64_t otherwise) {
  const char* const text = getenv(name);
  return text == nullptr ? otherwise : strtoll(text, nullptr, 10);
}

// Zero until the library is initialised: what is allotted before must not fail.
int64_t g_one_in = 0;
size_t g_least_bytes = 0;
std::atomic<int64_t> g_watches{INT64_MAX};
std::atomic<int64_t> g_threads{INT64_MAX};
const char* g_dead_mount = nullptr;
const char* g_hung_log = nullptr;
std::atomic<bool> g_armed{false};
std::atomic<uint64_t> g_state{0};

__attribute__((constructor)) void ReadSettings() {
  g_least_bytes = static_cast<size_t>(Setting("FAULT_LEAST_BYTES", 0));
  g_state = static_cast<uint64_t>(Setting("FAULT_SEED", 1));
  g_watches = Setting("FAULT_WATCHES", INT64_MAX);
  g_threads = Setting("FAULT_THREADS", INT64_MAX);
  g_dead_mount = getenv("FAULT_DEAD_MOUNT");
  g_hung_log = getenv("FAULT_HUNG_LOG");
  g_one_in = Setting("FAULT_ONE_ALLOCATION_IN", 0);
}

// SplitMix64 (Steele, Lea and Flood, 2014): each call has a number of its own, whichever thread.
uint64_t Draw() {
  constexpr uint64_t kStep = 0x9E3779B97F4A7C15;
  uint64_t z = g_state.fetch_add(kStep, std::memory_order_relaxed) + kStep;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

bool Fails(size_t bytes) {
  if (g_one_in == 0 || bytes < g_least_bytes || !g_armed.load(std::memory_order_relaxed) ||
      Draw() % static_cast<uint64_t>(g_one_in) != 0) {
    return false;
  }
  errno = ENOMEM;
  return true;
}

bool Exists(const char* path) { return syscall(SYS_access, path, F_OK) == 0; }

// As in a call that no signal interrupts.
[[noreturn]] void HangForEver() {
  while (true) pause();
}

void HangIfDead(const char* path) {
  if (g_dead_mount == nullptr) return;
  const size_t length = strlen(g_dead_mount);
  if (strncmp(path, g_dead_mount, length) != 0 || path[length] != '/') return;
  char mark[4096];
  if (length + sizeof("/dead") > sizeof(mark)) return;
  memcpy(mark, g_dead_mount, length);
  memcpy(mark + length, "/dead", sizeof("/dead"));
  if (Exists(mark)) HangForEver();
}

}  // namespace

extern "C" {

void* malloc(size_t bytes) { return Fails(bytes) ? nullptr : __libc_malloc(bytes); }

void* calloc(size_t count, size_t bytes) {
  return Fails(count * bytes) ? nullptr : __libc_calloc(count, bytes);
}

void* realloc(void* memory, size_t bytes) {
  return Fails(bytes) ? nullptr : __libc_realloc(memory, bytes);
}

int accept4(int socket, sockaddr* address, socklen_t* length, int flags) {
  const int fd = static_cast<int>(syscall(SYS_accept4, socket, address, length, flags));
  if (fd >= 0) g_armed.store(true, std::memory_order_relaxed);
  return fd;
}

int epoll_ctl(int epoll, int what, int fd, epoll_event* event) noexcept {
  if (what == EPOLL_CTL_ADD && g_watches.fetch_sub(1) <= 0) {
    errno = ENOSPC;
    return -1;
  }
  if (what == EPOLL_CTL_DEL) g_watches.fetch_add(1);
  return static_cast<int>(syscall(SYS_epoll_ctl, epoll, what, fd, event));
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*run)(void*),
                   void* argument) noexcept {
  using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const auto real = reinterpret_cast<Create>(dlsym(RTLD_NEXT, "pthread_create"));
  if (g_threads.fetch_sub(1) <= 0) return EAGAIN;
  return real(thread, attributes, run, argument);
}

int open(const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const int mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(more, int) : 0;
  va_end(more);
  HangIfDead(path);
  return static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}

ssize_t write(int fd, const void* bytes, size_t length) {
  if (fd == STDERR_FILENO && g_hung_log != nullptr && Exists(g_hung_log)) HangForEver();
  return syscall(SYS_write, fd, bytes, length);
}

}  // extern "C"
