#include "router/host/every_thread.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <set>

namespace tlsbridge {
namespace {

constexpr int kSignal = 40;  // SIGRTMIN + 6: nobody else's here
constexpr int kPatienceMilliseconds = 2000;

struct Errand {
  int (*act)(void*);
  void* context;
  std::atomic<int> done{0};
  std::atomic<int> error{0};
};
std::atomic<Errand*> g_errand{nullptr};

void Run(Errand* errand) {
  const int error = errand->act(errand->context);
  int none = 0;
  if (error != 0) errand->error.compare_exchange_strong(none, error);
}

void OnSignal(int) {
  const int saved = errno;
  if (Errand* const errand = g_errand.load(); errand != nullptr) {
    Run(errand);
    errand->done.fetch_add(1);
  }
  errno = saved;
}

std::set<pid_t> Threads() {
  std::set<pid_t> threads;
  DIR* const folder = opendir("/proc/self/task");
  if (folder == nullptr) return threads;
  while (const dirent* entry = readdir(folder)) {
    if (const pid_t thread = atoi(entry->d_name); thread > 0) threads.insert(thread);
  }
  closedir(folder);
  return threads;
}

}  // namespace

int InEveryThread(int (*act)(void*), void* context) {
  // Static: a thread that is late finds it.
  static Errand errand;
  errand.act = act;
  errand.context = context;
  errand.done = 0;
  errand.error = 0;
  struct sigaction action = {};
  struct sigaction before;
  action.sa_handler = &OnSignal;
  action.sa_flags = SA_RESTART;
  sigfillset(&action.sa_mask);
  if (sigaction(kSignal, &action, &before) != 0) return errno;
  g_errand = &errand;
  const auto self = static_cast<pid_t>(syscall(SYS_gettid));
  const std::set<pid_t> threads = Threads();
  if (threads.count(self) == 0) return ENOSYS;  // there is no /proc
  int sent = 0;
  for (const pid_t thread : threads) {
    if (thread != self && syscall(SYS_tgkill, getpid(), thread, kSignal) == 0) ++sent;
  }
  int waited = 0;
  for (; errand.done < sent && waited < kPatienceMilliseconds; ++waited) {
    const timespec millisecond = {0, 1'000'000};
    nanosleep(&millisecond, nullptr);
  }
  const bool all = errand.done >= sent;
  Run(&errand);
  if (all) {
    g_errand = nullptr;
    sigaction(kSignal, &before, nullptr);
  }
  return all ? errand.error.load() : ETIMEDOUT;
}

}  // namespace tlsbridge
